# The container engine's networks and images.

def op_container_network(step):
    """Containers reach what this machine lets them, and not each other."""
    name = step["name"]
    # Of an engine that somebody else set up a network of this name may be there, with containers that use it.
    attached = subprocess.run(["docker", "ps", "--all", "--quiet", "--filter", "network=" + name], stdout=subprocess.PIPE)
    for container in attached.stdout.decode().split():
        run("docker", "rm", "--force", container)
    subprocess.run(["docker", "network", "rm", name], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    run("docker", "network", "create", "--driver", "bridge", "--subnet", step["subnet"],
        "--opt", "com.docker.network.bridge.name=" + step["device"],
        "--opt", "com.docker.network.bridge.enable_icc=false", name)


def op_container_image(step):
    name, source, content = step["name"], step["from"], step.get("content")
    if source == "registry":
        run("docker", "pull", "--quiet", name, deadline=1800, say=detail)
    elif source == "nothing":
        run("docker", "import", "-", name, feed=mount_points(), deadline=300)
    elif source == "dockerfile":
        run("docker", "build", "--tag", name, "-", feed=content, deadline=1800, say=detail)
    else:
        with tarfile.open(fileobj=io.BytesIO(content)) as archive:
            inside = {member.lstrip("./") for member in archive.getnames()}
        if inside & {"manifest.json", "oci-layout"}:
            loaded = run("docker", "load", "--quiet", feed=content, deadline=1800)
            found = re.search(r"Loaded image(?: ID)?: (\S+)", loaded)
            if not found:
                raise Failed("the archive holds no image", loaded)
            run("docker", "tag", found.group(1), name)
        elif "Dockerfile" in inside:
            run("docker", "build", "--tag", name, "-", feed=content, deadline=1800, say=detail)
        else:
            run("docker", "import", "-", name, feed=content, deadline=1800)
    if source != "registry":
        remove_others(name)


def remove_others(name):
    """What was built or loaded under this name before, with another hash behind it: a server's disk is soon full of them.
    The engine keeps what a container still uses; the next image takes it away."""
    repository, _, _ = name.rpartition(":")
    listed = run("docker", "image", "ls", "--format", "{{.Repository}}:{{.Tag}}", repository)
    for other in listed.splitlines():
        if other != name and re.fullmatch(re.escape(repository) + ":([0-9a-f]{12}|host-[0-9]+)", other):
            subprocess.run(["docker", "image", "rm", other], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def mount_points():
    """An archive of folders with nothing in them: what the server itself has is mounted there."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        def add(path, kind, mode=0o755, target=""):
            entry = tarfile.TarInfo(path)
            entry.type, entry.mode, entry.linkname = kind, mode, target
            archive.addfile(entry)

        for path in ("dev", "etc", "home", "opt", "opt/conda", "opt/notebook", "proc", "root", "run", "sys", "usr", "var", "var/lib"):
            add(path, tarfile.DIRTYPE)
        for path in ("tmp", "var/tmp"):
            add(path, tarfile.DIRTYPE, 0o1777)
        for path in ("bin", "sbin", "lib", "lib32", "lib64", "libx32"):
            if os.path.islink("/" + path):
                add(path, tarfile.SYMTYPE, 0o777, os.readlink("/" + path).lstrip("/"))
    return packed.getvalue()
