"""Run this repository on an emulated processor, for vector instructions that the machine at hand does not have.

    python benchmarks/emulated_processor.py --kernel FOLDER -- -m pytest -q -p no:cacheprovider tests/test_scan.py

The command's arguments go to this Python, inside a small Linux on a CD image that holds this Python, its packages and
the repository; Bochs boots it and executes every instruction in software, some 30 to 100 million a second. What the
command prints is printed here, and its exit status is this program's.

Needed: Bochs 3.0 or later, built without its debugger (``./configure --with-nogui --disable-plugins --enable-x86-64
--enable-pci --enable-cdrom --enable-cpu-level=6 --enable-all-optimizations --enable-avx --enable-evex``), and Debian's
packages bochsbios, isolinux, syslinux-common, xorriso, cpio and busybox-static; a kernel package of Debian
(linux-image-*-cloud-amd64) unpacked in FOLDER with ``dpkg -x``. Nothing of it is installed into this system, and no
rights beyond a user's are needed.

Processors, of those that ``bochs --help cpu`` lists: corei7_icelake_u (the default: AVX-512 with VNNI), arrow_lake
(AVX-VNNI alone), sapphire_rapids (AVX-512 with VNNI and bfloat16), corei7_skylake_x (AVX-512), corei7_haswell_4770.
"""

from __future__ import annotations

import argparse
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CPU = "corei7_icelake_u"
MODULES = (
    *(f"kernel/drivers/{name}.ko" for name in ("scsi/scsi_common", "scsi/scsi_mod", "ata/libata", "ata/ata_piix")),
    *(f"kernel/drivers/{name}.ko" for name in ("cdrom/cdrom", "scsi/sr_mod")),
    "kernel/fs/isofs/isofs.ko",
)
"""What the kernel needs to read the CD, in the order of their dependence."""
ENDED = "emulated: exit status "
INIT = """#!/bin/busybox sh
b=/bin/busybox
$b mount -t devtmpfs none /dev; $b mount -t proc none /proc; $b mount -t sysfs none /sys
for m in {modules}; do $b insmod /modules/$m; done
while [ ! -e /dev/sr0 ]; do $b usleep 20000; done
$b mount -t iso9660 -o ro /dev/sr0 /root
for d in dev proc sys; do $b mount --move /$d /root/$d; done
$b mount -t tmpfs none /root/tmp
exec $b switch_root /root /bin/busybox sh /run.sh
"""
RUN = """cd {root}
export HOME=/tmp HYPOTHESIS_STORAGE_DIRECTORY=/tmp/hypothesis
export PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 OMP_NUM_THREADS=1
/bin/busybox ip link set lo up
{command}
echo "emulated: exit status $?"
/bin/busybox poweroff -f
"""
WORDS = (
    *("console=ttyS0", "loglevel=1", "nokaslr", "mitigations=off", "panic=-1"),
    *("tsc=reliable", "lpj=1000000", "no_timer_check"),
    *("no5lvl", "clearcpuid=580"),
)
"""Of the kernel. Without the last two Linux 6.1 never gets to its first program on Bochs 3.0's newer processors: it
stops at five-level paging, and where it moves memory by fast short REP MOVSB."""
LOADER = """SERIAL 0 115200
DEFAULT linux
LABEL linux
KERNEL vmlinuz
INITRD initrd
APPEND {words}
"""
MACHINE = """cpu: model={cpu}, count=1, ips=50000000, reset_on_triple_fault=0, ignore_bad_msrs=1
memory: guest={memory}, host={memory}
romimage: file={bios}/BIOS-bochs-latest
vgaromimage: file={bios}/VGABIOS-lgpl-latest
display_library: nogui
pci: enabled=1, chipset=i440fx
ata0-master: type=cdrom, path={folder}/cd.iso, status=inserted
boot: cdrom
com1: enabled=1, mode=file, dev={folder}/serial
clock: sync=none
log: {folder}/log
panic: action=fatal
error: action=ignore
"""
BIOS = Path("/usr/share/bochs")
ISOLINUX = (Path("/usr/lib/ISOLINUX/isolinux.bin"), Path("/usr/lib/syslinux/modules/bios/ldlinux.c32"))


def main() -> int:
    """Build the image, boot it, and print what it prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kernel", type=Path, required=True, help="folder with an unpacked kernel package")
    parser.add_argument("--bochs", default="bochs", help="the emulator")
    parser.add_argument("--cpu", default=CPU, help=f"model and features (default: {CPU})")
    parser.add_argument("--memory", type=int, default=2048, help="MiB")
    parser.add_argument("--seconds", type=int, default=3600, help="after which it is stopped")
    parser.add_argument("arguments", nargs="+", help="of Python, after --")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="emulated-") as name:
        folder = Path(name)
        command = shlex.join([sys.executable, *given.arguments])
        (folder / "run.sh").write_text(RUN.format(root=ROOT, command=command))
        _image(folder, given.kernel)
        machine = MACHINE.format(cpu=given.cpu, memory=given.memory, bios=BIOS, folder=folder)
        (folder / "machine").write_text(machine)
        return _boot(folder, given.bochs, given.seconds)


def _image(folder: Path, kernel: Path) -> None:
    """A CD with a loader, the kernel, and what Python needs, each at the path that it has here."""
    loader = folder / "isolinux"
    loader.mkdir()
    for path in ISOLINUX:
        shutil.copy(path, loader)
    shutil.copy(next(kernel.glob("boot/vmlinuz-*")), loader / "vmlinuz")
    (loader / "isolinux.cfg").write_text(LOADER.format(words=" ".join(WORDS)))
    _initrd(folder, next(kernel.glob("lib/modules/*")), loader / "initrd")
    (folder / "empty").mkdir()
    grafts = {"/isolinux": loader, "/run.sh": folder / "run.sh", "/bin/busybox": _found("busybox")}
    grafts |= {f"/{name}": folder / "empty" for name in ("dev", "proc", "sys", "tmp")}
    grafts |= {str(path): path for path in (Path(sys.base_prefix), Path(sys.prefix), *_libraries())}
    for name in ("conceptmap", "tests"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    grafts |= {str(ROOT / name): folder / name for name in ("conceptmap", "tests")}
    grafts[str(ROOT / "pyproject.toml")] = ROOT / "pyproject.toml"
    boot = ["-b", "isolinux/isolinux.bin", "-c", "isolinux/catalog", "-no-emul-boot", "-boot-load-size", "4"]
    cut = [part for name in ("test", "idlelib") for part in ("-m", f"*/lib/python3.*/{name}")]
    made = ["xorriso", "-as", "mkisofs", "-quiet", "-f", "-R", "-iso-level", "3", *cut, *boot, "-boot-info-table"]
    made += ["-o", str(folder / "cd.iso"), "-graft-points", *(f"{at}={path}" for at, path in grafts.items())]
    done = subprocess.run(made, check=False, capture_output=True, text=True)
    if done.returncode:
        sys.exit(done.stderr[-2000:])


def _initrd(folder: Path, modules: Path, to: Path) -> None:
    """What the kernel starts with: enough to find the CD."""
    first = folder / "initrd"
    for name in ("bin", "dev", "proc", "sys", "root", "modules"):
        (first / name).mkdir(parents=True)
    shutil.copy(_found("busybox"), first / "bin")
    for name in MODULES:
        shutil.copy(modules / name, first / "modules")
    (first / "init").write_text(INIT.format(modules=" ".join(Path(name).name for name in MODULES)))
    (first / "init").chmod(0o755)
    names = "\n".join(str(path.relative_to(first)) for path in sorted(first.rglob("*")))
    packed = subprocess.run(
        ["cpio", "-o", "-H", "newc", "--quiet"], cwd=first, input=names.encode(), capture_output=True, check=True
    )
    to.write_bytes(packed.stdout)


def _found(program: str) -> Path:
    path = shutil.which(program)
    if path is None:
        sys.exit(f"{program} is not installed: the first lines of this file say what is needed")
    return Path(path)


def _libraries() -> list[Path]:
    """The system's libraries that this process and the loops' packages have mapped, and the loader of programs."""
    import llvmlite.binding  # noqa: F401 (maps its libraries)
    import torch  # noqa: F401

    mapped = {line.split()[-1] for line in Path("/proc/self/maps").read_text().splitlines() if ".so" in line}
    needed = {path for name in mapped for path in _linked(name)}
    return sorted(Path(path) for path in needed if path.startswith(("/lib", "/usr/lib")))


def _linked(library: str) -> list[str]:
    """Paths that the loader finds a library's needs at, the loader's own among them."""
    told = subprocess.run(["ldd", library], capture_output=True, text=True, check=False).stdout
    return [word for line in told.splitlines() for word in line.split() if word.startswith("/")]


def _boot(folder: Path, bochs: str, seconds: int) -> int:
    """Copy the serial line to stdout until the machine turns itself off."""
    serial, status = folder / "serial", 1
    serial.touch()
    told = {**os.environ, "BXSHARE": str(BIOS)}
    start = [bochs, "-q", "-f", str(folder / "machine")]
    with subprocess.Popen(start, env=told, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as machine:
        until, seen = time.monotonic() + seconds, 0
        while time.monotonic() < until:
            ended = machine.poll() is not None
            lines = serial.read_text(errors="replace")
            sys.stdout.write(lines[seen:])
            sys.stdout.flush()
            seen = len(lines)
            last = lines.rpartition(ENDED)[2] if ENDED in lines else ""
            if ended or "\n" in last:
                status = int(last.split()[0]) if last.strip() else 1
                break
            time.sleep(0.5)
        machine.kill()
    return status


if __name__ == "__main__":
    sys.exit(main())
