# Makes an environment of conda's packages, from a channel or as it was made before. Run by py-rattler's Python, as root.
#
# Input: JSON with the folder, the channel, the packages as asked for, those of a lock or none, and a folder for what is
# downloaded. Output: what it does, a line each; those that begin with "locked " say what was installed.
import asyncio, json, os, sys

from rattler import Channel, Platform, VirtualPackage, install, solve


def locked(record):
    """A package as it can be asked for again: this very build, with this content."""
    return '%s[version="==%s", build="%s", subdir="%s", sha256="%s"]' % (
        record.name.normalized, record.version, record.build, record.subdir, record.sha256.hex())


async def main(asked):
    print("solving for %s" % ", ".join(asked["packages"]), flush=True)
    records = await solve(
        [Channel(asked["channel"])],
        asked["lock"] or asked["packages"],
        platforms=[Platform.current(), Platform("noarch")],
        virtual_packages=VirtualPackage.detect(),
    )
    print("installing %d packages" % len(records), flush=True)
    # Scripts of packages are not run: they would be root's.
    await install(records, target_prefix=asked["folder"], cache_dir=asked["cache"], show_progress=False,
                  execute_link_scripts=False)
    for line in sorted(map(locked, records)):
        print("locked " + line, flush=True)


asyncio.run(main(json.load(sys.stdin)))
# Not by Python's own end, which the library's threads do not always survive.
os._exit(0)
