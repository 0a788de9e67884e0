"""A stand-in for Lambda's base image of Python, made of this machine's own interpreter: no image has to be pulled.

What a function finds in it: the interpreter with its standard library, the runtime interface client in a folder of its
own, the shared libraries that those need, and nothing else. What the application imports has to be in its layers.
"""

from __future__ import annotations

import io
import os
import re
import subprocess
import tarfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final

__all__ = ["import_image"]

#: What the SAM CLI's own build steps call inside of the image.
_PROGRAMS: Final = ("sh", "chmod", "cp", "mkdir", "mv", "rm")
#: What every Linux with glibc has, and wheels are built to find.
_OF_THE_SYSTEM: Final = re.compile(r"/lib(?:c|dl|gcc_s|m|nss_dns|nss_files|pthread|resolv|rt|stdc\+\+|util)\.so\.\d+$")
_CLIENT: Final = ("awslambdaric", "runtime_client", "simplejson", "snapshot_restore_py")
_LEFT_OUT: Final = re.compile(r"/(?:site-packages|test|idlelib|tkinter|ensurepip|__pycache__|config-[^/]*)(?:/|$)")

#: Lambda's own begins like this: the function's folder first, then the layers, then the runtime's.
_BOOTSTRAP: Final = """\
#!/var/lang/bin/python3
import os
import sys

sys.path = [os.environ["LAMBDA_TASK_ROOT"], "/opt/python", *sys.path[1:], "/var/runtime"]
moment = os.environ.get("STAND_IN_MOMENT")
if moment:
    from datetime import datetime
    from dunlin.entry import bootstrap
    bootstrap.use_clock(lambda: datetime.fromisoformat(moment))
from awslambdaric.__main__ import main
main(["bootstrap", os.environ["_HANDLER"]])
"""
_ENVIRONMENT: Final = {
    "PATH": "/var/lang/bin:/usr/bin:/bin",
    "LD_LIBRARY_PATH": "/var/lang/lib",
    "LANG": "C.UTF-8",
    "TZ": "UTC",
    "LAMBDA_TASK_ROOT": "/var/task",
    "LAMBDA_RUNTIME_DIR": "/var/runtime",
}


def import_image(name: str, python: Path, environment: Mapping[str, str]) -> None:
    """Give the container engine the image `name`. `python` is an interpreter beside which the runtime interface client
    is installed; `environment` is what the functions find besides their own variables.

    Raises:
        subprocess.CalledProcessError: the engine did not take it.
    """
    variables = {**_ENVIRONMENT, **environment}
    changes = [f"ENV {key}={value}" for key, value in variables.items()]
    command = ["docker", "import", *(part for change in changes for part in ("--change", change)), "-", name]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as engine:
        assert engine.stdin is not None
        with tarfile.open(fileobj=engine.stdin, mode="w|") as archive:
            _fill(archive, python)
        engine.stdin.close()
        if engine.wait():
            raise subprocess.CalledProcessError(engine.returncode, command[:2])


def _fill(archive: tarfile.TarFile, python: Path) -> None:
    version, prefix, packages = _asked(python)
    for folder in ("usr/bin", "usr/lib", "usr/lib64", "tmp", "opt", "etc", "var/task", "var/rapid", "var/lang/bin"):
        _folder(archive, folder)
    for link, target in (("bin", "usr/bin"), ("lib", "usr/lib"), ("lib64", "usr/lib64")):
        _link(archive, link, target)
    interpreter = prefix / "bin" / f"python{version}"
    programs = [interpreter, *(_program(name) for name in _PROGRAMS)]
    archive.add(os.path.realpath(interpreter), "var/lang/bin/python3")
    for program in programs[1:]:
        archive.add(os.path.realpath(program), f"usr/bin/{program.name}")
    library = prefix / "lib" / f"python{version}"
    archive.add(library, f"var/lang/lib/python{version}", filter=_wanted)
    for each in _CLIENT:
        for found in packages.glob(f"{each}*"):
            if not found.name.endswith(".dist-info"):
                archive.add(found, f"var/runtime/{found.name}", filter=_wanted)
    binaries = [*programs, *(path for path in library.rglob("*.so") if not _LEFT_OUT.search(str(path)))]
    binaries += packages.glob("runtime_client*.so")
    for shared in sorted({*_libraries(binaries), *_of_the_system()}):
        inside = "var/lang/lib" if shared.is_relative_to(prefix) else str(_merged(shared.parent))
        archive.add(os.path.realpath(shared), f"{inside}/{shared.name}")
    _text(archive, "etc/passwd", "root:x:0:0:root:/tmp:/bin/sh\nsandbox:x:993:990::/tmp:/bin/sh\n")
    _text(archive, "var/runtime/bootstrap", _BOOTSTRAP)


def _asked(python: Path) -> tuple[str, Path, Path]:
    """An interpreter's minor version, where it was installed, and where its packages are."""
    question = "import sys, sysconfig; print(*sys.version_info[:2], sys.base_prefix, sysconfig.get_path('purelib'))"
    major, minor, prefix, packages = subprocess.check_output([python, "-c", question], text=True).split()
    return f"{major}.{minor}", Path(prefix), Path(packages)


def _program(name: str) -> Path:
    return next(path for folder in ("/usr/bin", "/bin") if (path := Path(folder, name)).exists())


def _wanted(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
    if _LEFT_OUT.search(f"/{member.name}"):
        return None
    member.uid = member.gid = 0
    member.uname = member.gname = "root"
    return member


def _libraries(binaries: Iterable[Path]) -> Iterator[Path]:
    """What the dynamic linker would load for them."""
    said = subprocess.run(["ldd", *map(str, binaries)], capture_output=True, text=True, check=False).stdout
    yield from map(Path, re.findall(r"(?:=> |^\t)(/\S+)", said, re.MULTILINE))


def _of_the_system() -> Iterator[Path]:
    known = subprocess.run(["ldconfig", "-p"], capture_output=True, text=True, check=True).stdout
    native = "x86-64" if os.uname().machine == "x86_64" else "AArch64"
    for line in known.splitlines():
        if native in line and _OF_THE_SYSTEM.search(path := line.rpartition(" => ")[2]):
            yield Path(path)


def _merged(folder: Path) -> Path:
    """Where a folder of the root is in a file system that has all of it under /usr; relative, as archives want it."""
    inside = folder.relative_to("/")
    return inside if inside.parts[0] == "usr" else Path("usr", inside)


def _folder(archive: tarfile.TarFile, name: str) -> None:
    member = tarfile.TarInfo(name)
    member.type, member.mode = tarfile.DIRTYPE, 0o1777 if name == "tmp" else 0o755
    archive.addfile(member)


def _link(archive: tarfile.TarFile, name: str, target: str) -> None:
    member = tarfile.TarInfo(name)
    member.type, member.linkname = tarfile.SYMTYPE, target
    archive.addfile(member)


def _text(archive: tarfile.TarFile, name: str, text: str) -> None:
    member = tarfile.TarInfo(name)
    member.size, member.mode = len(text.encode()), 0o755
    archive.addfile(member, io.BytesIO(text.encode()))
