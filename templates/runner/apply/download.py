# Programs of registries and releases, in folders of their own.

def op_npm(step):
    """A package of the npm registry with what it needs, in a folder of its own; moved into place when it is whole."""
    folder, fresh = step["folder"], step["folder"] + ".hubctl-new"
    shutil.rmtree(fresh, ignore_errors=True)
    os.makedirs(fresh, mode=0o755)
    node, npm = step["node"], step["npm"]
    env = dict(PATH=os.path.dirname(node) + ":" + ENV["PATH"], HOME="/root", npm_config_cache="/var/cache/hubctl/npm",
               npm_config_update_notifier="false", npm_config_fund="false", npm_config_audit="false")
    if step.get("registry"):
        env["npm_config_registry"] = step["registry"]
    words = ["--globalconfig", "/etc/npmrc"] if os.path.exists("/etc/npmrc") else []
    run(node, npm, "install", "--prefix", fresh, "--omit=dev", "--ignore-scripts", "--no-progress", *words,
        step["package"], deadline=900, env=env, say=detail)
    old = folder + ".hubctl-old"
    shutil.rmtree(old, ignore_errors=True)
    if os.path.exists(folder):
        os.rename(folder, old)
    os.rename(fresh, folder)
    shutil.rmtree(old, ignore_errors=True)


def op_fetch(step):
    """A program out of an archive that its project releases, if it is the very archive; moved into place when it is whole."""
    folder, fresh = step["folder"], step["folder"] + ".hubctl-new"
    shutil.rmtree(fresh, ignore_errors=True)
    os.makedirs(fresh + "/bin", mode=0o755)
    digest, size, begun = hashlib.sha256(), 0, time.monotonic()
    archive = fresh + "/archive"
    context = ssl.create_default_context()
    proxies = {scheme: ENV[scheme + "_proxy"] for scheme in ("http", "https") if ENV.get(scheme + "_proxy")}
    opener = urllib.request.build_opener(urllib.request.ProxyHandler(proxies), urllib.request.HTTPSHandler(context=context))
    try:
        with opener.open(step["url"], timeout=60) as answer, open(archive, "wb") as file:
            while True:
                piece = answer.read(1 << 20)
                if not piece:
                    break
                digest.update(piece)
                file.write(piece)
                size += len(piece)
                if size > 1 << 30 or time.monotonic() - begun > 1800:
                    raise Failed("%s does not end" % step["url"])
                detail("%s: %d MB" % (step["url"].rsplit("/", 1)[-1], size >> 20))
    except (OSError, http.client.HTTPException) as error:
        raise Failed("%s cannot be fetched: %s" % (step["url"], error))
    if digest.hexdigest() != step["sha256"]:
        raise Failed("%s is not what it should be: its SHA-256 is %s, not %s"
                     % (step["url"], digest.hexdigest(), step["sha256"]))
    program = "%s/bin/%s" % (fresh, step["member"])
    with tarfile.open(archive) as tar:
        found = next((one for one in tar if one.isfile() and os.path.basename(one.name) == step["member"]), None)
        if found is None:
            raise Failed("%s holds no %s" % (step["url"], step["member"]))
        with tar.extractfile(found) as source, open(program, "wb") as target:
            shutil.copyfileobj(source, target)
    os.chmod(program, 0o755)
    os.unlink(archive)
    write("%s/%s" % (fresh, step["stamp_file"]), step["stamp"].encode())
    old = folder + ".hubctl-old"
    shutil.rmtree(old, ignore_errors=True)
    if os.path.exists(folder):
        os.rename(folder, old)
    os.rename(fresh, folder)
    shutil.rmtree(old, ignore_errors=True)
