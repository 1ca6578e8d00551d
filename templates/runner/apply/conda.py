# Packages of conda channels, in folders of their own.

def op_conda(step):
    """Packages of a conda channel in a folder of their own, and a kernel that runs there; the stamp is written last."""
    folder, wanted = step["folder"], step["requirements"].encode()
    cache = "/var/cache/hubctl/conda"
    # Others install there, too. What a run that was cut short left has no stamp yet.
    begun = "/var/lib/hubctl/conda.begun"
    if not os.path.exists(begun):
        if os.path.lexists(folder) and not os.path.exists(folder + "/hubctl-requirements.txt"):
            raise Failed("%s is there and not of hubctl's making: move it away, or leave `environment.conda` out" % folder)
        write(begun, b"")
    os.makedirs(cache, mode=0o700, exist_ok=True)
    held = lock_of(folder, wanted, step.get("lock"))
    shutil.rmtree(folder, ignore_errors=True)
    make = conda_by_micromamba if step.get("url") else conda_by_rattler
    keep_lock(folder, wanted, make(step, held, cache))
    spec = dict(argv=[folder + "/bin/python", "-m", "ipykernel_launcher", "-f", "{connection_file}"],
                display_name="Python (conda)", language="python", metadata=dict(debugger=True))
    write(step["kernel"] + "/kernel.json", json.dumps(spec, indent=1).encode())
    write(folder + "/hubctl-requirements.txt", wanted)


def conda_by_rattler(step, held, cache):
    """By the library that pixi is made of, which is had where Python packages are."""
    lines = []
    if held:
        with open(held) as file:
            lines = [line for line in file.read().splitlines() if line and not line.startswith("#")]
    asked = dict(folder=step["folder"], channel=step["channel"], packages=step["requirements"].split("\n")[:-1], lock=lines,
                 cache=cache + "/rattler")
    installed = []

    def hear(line):
        if line.startswith("locked "):
            installed.append(line[7:] + "\n")
        else:
            detail(line)

    run(step["python"], "-I", "-c", step["content"].decode(), feed=json.dumps(asked).encode(), deadline=1800, say=hear)
    return "".join(installed).encode()


def conda_by_micromamba(step, held, cache):
    # `curl` would have to be installed first; Python has the same authorities and proxies by the environment.
    os.environ.update({key: value for key, value in ENV.items() if key.lower().endswith("_proxy")})
    with urllib.request.urlopen(step["url"], timeout=120) as answer:
        archive = answer.read(200 << 20)
    found = hashlib.sha256(archive).hexdigest()
    if step.get("sha256") and found != step["sha256"]:
        raise Failed("%s is not what it should be: its SHA-256 is %s, not %s" % (step["url"], found, step["sha256"]))
    with tarfile.open(fileobj=io.BytesIO(archive)) as packed:
        program = packed.extractfile("bin/micromamba").read()
    write(cache + "/micromamba", program, mode="0755")
    env = dict(MAMBA_ROOT_PREFIX=cache, MAMBA_NO_RC="true", CONDA_PKGS_DIRS=cache + "/pkgs")
    mamba = [cache + "/micromamba", "--no-rc", "--yes"]
    what = ["--file", held] if held else ["--override-channels", "--channel", step["channel"], *step["requirements"].split("\n")[:-1]]
    run(*mamba, "create", "--prefix", step["folder"], *what, deadline=1800, env=env, say=detail)
    return subprocess.run([*mamba, "env", "export", "--explicit", "--prefix", step["folder"]], env=dict(ENV, **env), timeout=120,
                          stdout=subprocess.PIPE).stdout
