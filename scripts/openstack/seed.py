"""seed.py services: accounts and endpoints of the services. seed.py resources: what a project finds on the cloud."""
import os
import sys

import openstack
import yaml

URL = "http://127.0.0.1:%d%s"
with open("/cloud/settings") as file:
    SETTINGS = dict(line.strip().split("=", 1) for line in file if "=" in line)
DOMAINS = dict(user_domain_name="Default", project_domain_name="Default")


def login(username, password, project):
    return dict(DOMAINS, auth_url=URL % (5000, "/v3"), username=username, password=password, project_name=project)


def connect(auth):
    return openstack.connect(auth=auth, region_name="RegionOne")


ADMIN = login("admin", SETTINGS["ADMIN_PASSWORD"], "admin")
STUDENT = login("student", SETTINGS["STUDENT_PASSWORD"], "class")
cloud = connect(ADMIN)


def services():
    identity = cloud.identity

    def member(project, user, password, roles):
        found = identity.find_project(project) or identity.create_project(name=project, domain_id="default")
        account = identity.find_user(user) or identity.create_user(
            name=user, password=password, default_project_id=found.id, domain_id="default")
        for role in roles:
            role = identity.find_role(role) or identity.create_role(name=role)
            identity.assign_project_role_to_user(found, account, role)

    member("service", "service", SETTINGS["SERVICE_PASSWORD"], ["admin", "service"])
    member("class", "student", SETTINGS["STUDENT_PASSWORD"], ["member"])
    there = {service.type for service in identity.services()}
    for name, kind, port, path in (("glance", "image", 9292, ""), ("nova", "compute", 8774, "/v2.1"),
                                   ("neutron", "network", 9696, ""), ("placement", "placement", 8778, "")):
        if kind not in there:
            service = identity.create_service(name=name, type=kind)
            for interface in ("public", "internal", "admin"):
                identity.create_endpoint(service_id=service.id, interface=interface, url=URL % (port, path),
                                         region_id="RegionOne")


def resources():
    for name, vcpus, ram, disk in (("m1.tiny", 1, 512, 2), ("m1.small", 1, 1024, 6), ("m1.medium", 2, 2048, 12)):
        if not cloud.compute.find_flavor(name):
            cloud.compute.create_flavor(name=name, vcpus=vcpus, ram=ram, disk=disk)
    if not cloud.image.find_image("debian-12"):
        image()
    network = cloud.network
    public = network.find_network("public") or network.create_network(
        name="public", is_router_external=True, provider_network_type="flat", provider_physical_network="outside")
    if not network.find_subnet("public"):
        network.create_subnet(name="public", network_id=public.id, ip_version=4, cidr="203.0.113.0/24",
                              gateway_ip="203.0.113.1", is_dhcp_enabled=False,
                              allocation_pools=[dict(start="203.0.113.100", end="203.0.113.250")])
    clouds()


def image():
    def upload(name, filename, kind, **properties):
        return cloud.image.create_image(name=name, filename=filename, disk_format=kind, container_format=(
            kind if kind in ("aki", "ari") else "bare"), visibility="public", **properties)

    folder = "/cloud/guest/"
    if SETTINGS["GUESTS"] != "real":
        with open("/cloud/nothing.img", "wb") as file:
            file.write(bytes(1024))
        upload("debian-12", "/cloud/nothing.img", "raw")
        return
    kernel = upload("debian-12-kernel", folder + "vmlinuz", "aki")
    initrd = upload("debian-12-initrd", folder + "initrd.img", "ari")
    upload("debian-12", folder + "disk.qcow2", "qcow2", kernel_id=kernel.id, ramdisk_id=initrd.id,
           os_command_line="root=/dev/vda console=ttyS0 net.ifnames=0 mitigations=off")


def clouds():
    """clouds.yaml, with an application credential that is made once: its secret is told only then."""
    path = "/cloud/clouds.yaml"
    if os.path.exists(path):
        return
    student = connect(STUDENT)
    credential = student.identity.create_application_credential(
        user=student.current_user_id, name="hubctl", roles=[{"name": "member"}], unrestricted=False)
    common = dict(region_name="RegionOne", identity_api_version=3, interface="public")
    entries = {
        "admin": dict(common, auth=ADMIN),
        "student": dict(common, auth=STUDENT),
        "student-appcred": dict(common, auth_type="v3applicationcredential", auth=dict(
            auth_url=URL % (5000, "/v3"), application_credential_id=credential.id,
            application_credential_secret=credential.secret)),
    }
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        yaml.safe_dump({"clouds": entries}, file)


{"services": services, "resources": resources}[sys.argv[1]]()
