# Makes a conda channel in /srv/channel: Python as the machine has it, a kernel from the notebooks' environment, and one
# small package in the versions named. Run by the notebooks' Python, as root.
import bz2, hashlib, importlib.metadata, io, json, os, re, sys, tarfile

CHANNEL = "/srv/channel"
PYTHON = "%d.%d" % sys.version_info[:2]
SITE = "lib/python%s/site-packages/" % PYTHON


def closure(name, seen):
    """A distribution and what it needs, without its extras; the debugger is large, and is not needed to compute."""
    name = re.sub(r"[-_.]+", "-", name).lower()
    if name in seen or name == "debugpy":
        return seen
    try:
        found = importlib.metadata.distribution(name)
    except importlib.metadata.PackageNotFoundError:
        return seen
    seen[name] = found
    for line in found.requires or []:
        if "extra ==" not in line:
            closure(re.match(r"[A-Za-z0-9._-]+", line).group(), seen)
    return seen


def package(subdir, name, version, files, links, depends):
    """Writes one archive, and gives its entry of the index."""
    index = dict(name=name, version=version, build="0", build_number=0, depends=depends, subdir=subdir)
    paths = [dict(_path=path, path_type="hardlink", sha256=hashlib.sha256(content).hexdigest(), size_in_bytes=len(content))
             for path, content in files.items()]
    # The content of what a link leads to is not in the archive.
    paths += [dict(_path=path, path_type="softlink") for path in links]
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        def add(path, content=b"", target=""):
            entry = tarfile.TarInfo(path)
            entry.mode, entry.size = 0o644, len(content)
            if target:
                entry.type, entry.linkname = tarfile.SYMTYPE, target
            archive.addfile(entry, io.BytesIO(content))

        add("info/index.json", json.dumps(index).encode())
        add("info/paths.json", json.dumps(dict(paths=paths, paths_version=1)).encode())
        add("info/files", "".join("%s\n" % one["_path"] for one in paths).encode())
        for path, content in files.items():
            add(path, content)
        for path, target in links.items():
            add(path, target=target)
    content = bz2.compress(packed.getvalue(), 1)
    file = "%s-%s-0.tar.bz2" % (name, version)
    with open("%s/%s/%s" % (CHANNEL, subdir, file), "wb") as out:
        out.write(content)
    return file, dict(index, size=len(content), sha256=hashlib.sha256(content).hexdigest(), md5=hashlib.md5(content).hexdigest())


def main(versions):
    native = "linux-64" if os.uname().machine == "x86_64" else "linux-aarch64"
    for subdir in (native, "noarch"):
        os.makedirs("%s/%s" % (CHANNEL, subdir), exist_ok=True)
    kernel = {}
    for found in closure("ipykernel", {}).values():
        for file in found.files or []:
            path = str(file.locate().resolve())
            if "/site-packages/" in path and not path.endswith(".pyc") and os.path.isfile(path):
                with open(path, "rb") as source:
                    kernel[SITE + path.split("/site-packages/", 1)[1]] = source.read()
    binary = os.path.realpath("/usr/bin/python3")
    of_python = {"pyvenv.cfg": b"home = /usr/bin\n"}
    made = {
        native: [
            package(native, "python", PYTHON, of_python, {"bin/python": binary, "bin/python3": binary}, []),
            package(native, "ipykernel", importlib.metadata.version("ipykernel"), kernel, {}, ["python"]),
        ],
        "noarch": [
            package("noarch", "greeting", version, {SITE + "greeting.py": ("version = %r\n" % version).encode()}, {}, ["python"])
            for version in versions
        ],
    }
    for subdir, packages in made.items():
        with open("%s/%s/repodata.json" % (CHANNEL, subdir), "w") as out:
            json.dump(dict(info=dict(subdir=subdir), packages=dict(packages), repodata_version=1, **{"packages.conda": {}}), out)


main(sys.argv[1:])
