"""Stand-ins for images that cannot be pulled, under the same names, made from Debian's packages.

- ``python:3.11-slim-bookworm``: a minimal Debian 12 with its Python and pip, laid out as the official image is
  (programs in /usr/local/bin, no manual pages). pip there reads a folder of wheels that the host's own pip
  fetched, so whatever index, find-links folder or certificate the host is set up with serves the image too.
- ``prom/prometheus`` and ``prom/alertmanager``: the same Debian with its package, run as the official images run
  theirs (user, paths, entry point, arguments).
- Grafana is not in Debian: it has no stand-in and is left out.

Debian's versions are older than the pinned ones: what passes here used nothing newer.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import textwrap
from pathlib import Path

from packaging.requirements import Requirement

from .engine import Engine

RELEASE = "bookworm"
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
PYTHON_VERSION = "3.11"
WHEELS = "/usr/local/share/wheels"

# As in Debian's own slim images, which the official Python image stands on.
DPKG_EXCLUDES = (
    "path-exclude /usr/share/doc/*\npath-exclude /usr/share/man/*\npath-exclude /usr/share/locale/*\n"
)

PROMETHEUS = """\
    FROM {base}
    RUN apt-get update && apt-get install -y --no-install-recommends prometheus && rm -rf /var/lib/apt/lists/* \\
        && mkdir -p /prometheus && chown nobody:nogroup /prometheus
    USER nobody
    EXPOSE 9090
    VOLUME /prometheus
    WORKDIR /prometheus
    ENTRYPOINT ["/bin/prometheus"]
    CMD ["--config.file=/etc/prometheus/prometheus.yml", "--storage.tsdb.path=/prometheus"]
    """
ALERTMANAGER = """\
    FROM {base}
    RUN apt-get update && apt-get install -y --no-install-recommends prometheus-alertmanager \\
        && rm -rf /var/lib/apt/lists/* && ln -s prometheus-alertmanager /bin/alertmanager \\
        && mkdir -p /alertmanager && chown nobody:nogroup /alertmanager
    USER nobody
    EXPOSE 9093
    VOLUME /alertmanager
    WORKDIR /alertmanager
    ENTRYPOINT ["/bin/alertmanager"]
    CMD ["--config.file=/etc/alertmanager/alertmanager.yml", "--storage.path=/alertmanager"]
    """

RECIPES = {"prom/prometheus": PROMETHEUS, "prom/alertmanager": ALERTMANAGER}


def make_python(engine: Engine, name: str, *, requirements: list[str], constraints: Path) -> None:
    """Make the stand-in for the official Python image under ``name``, with wheels for ``requirements``.

    Needs root, and debootstrap.
    """
    # On a disk: /tmp may be in memory or mounted without device nodes.
    folder = Path(tempfile.mkdtemp(prefix="torchvitals-standin-", dir="/var/tmp"))
    try:
        root = folder / "root"
        build_tree(root, requirements, constraints=constraints)
        load_tree(engine, root, name)
    finally:
        shutil.rmtree(folder)


def build_tree(root: Path, requirements: list[str], *, constraints: Path) -> None:
    """Make the stand-in's file tree in the new folder ``root``."""
    mirror, keyring = debian_mirror(), [f"--keyring={KEYRING}"] if KEYRING.exists() else []
    subprocess.run(
        ["debootstrap", "--variant=minbase", "--include=python3,python3-pip,ca-certificates,wget", *keyring,
         RELEASE, str(root), *mirror],
        check=True, stdout=subprocess.DEVNULL,
    )  # fmt: skip
    carry_apt(root)
    for source, target in (("python3", "python3"), ("python3", "python"), ("pip3", "pip"), ("pip3", "pip3")):
        (root / "usr/local/bin" / target).symlink_to(f"/usr/bin/{source}")
    (root / f"usr/lib/python{PYTHON_VERSION}/EXTERNALLY-MANAGED").unlink()
    shutil.rmtree(root / "usr/share/man")
    shutil.rmtree(root / "var/cache/apt/archives")
    download(requirements, constraints=constraints, folder=root / WHEELS.lstrip("/"))
    (root / "etc/pip.conf").write_text(f"[global]\nno-index = true\nfind-links = {WHEELS}\n")


def load_tree(engine: Engine, root: Path, name: str) -> None:
    """Load a file tree into the engine as the image ``name``; streamed, as it is large."""
    command = ["docker", "import", "--change", 'CMD ["python3"]', "-", name]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, env=engine.environment
    ) as load:
        assert load.stdin is not None
        with tarfile.open(fileobj=load.stdin, mode="w|") as archive:
            archive.add(root, arcname=".")
        load.stdin.close()
        if load.wait() != 0:
            raise RuntimeError(f"docker import of {name} ended with status {load.returncode}")


def make_program(engine: Engine, name: str, recipe: str, *, base: str) -> None:
    """Make the stand-in ``name`` from ``recipe``, one of RECIPES, on top of ``base``."""
    subprocess.run(
        ["docker", "build", "-q", "--network=host", "-t", name, "-"],
        input=textwrap.dedent(recipe.format(base=base)).encode(), env=engine.environment, check=True,
        stdout=subprocess.DEVNULL,
    )  # fmt: skip


def debian_mirror() -> list[str]:
    """Return the mirror that this machine's apt has for Debian 12; nothing where debootstrap is to take its own."""
    listed = subprocess.run(
        ["apt-get", "indextargets", "--format", "$(CODENAME) $(SITE)", "Created-By: Packages"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    sites = (line.split() for line in listed.stdout.splitlines())
    return [site[1] for site in sites if len(site) == 2 and site[0] == RELEASE][:1]


def carry_apt(root: Path) -> None:
    """Give the Debian in ``root`` this machine's ways to reach a mirror: proxies, checks, certificates."""
    dump = subprocess.run(
        ["apt-config", "dump", "Acquire"], capture_output=True, text=True, check=False
    ).stdout
    (root / "etc/apt/apt.conf.d/99host").write_text(dump)
    (root / "etc/dpkg/dpkg.cfg.d/slim").write_text(DPKG_EXCLUDES)
    bundle = Path(os.environ.get("SSL_CERT_FILE", "/etc/ssl/certs/ca-certificates.crt"))
    if bundle.exists():
        shutil.copyfile(bundle, root / "etc/ssl/certs/ca-certificates.crt")


def download(requirements: list[str], *, constraints: Path, folder: Path) -> None:
    """Fetch wheels for the image's Python into ``folder`` with this machine's pip and its configuration."""
    folder.mkdir()
    # pip reads the conditions in a constraints file for the Python that it runs on, whatever --python-version says.
    lines = (line.partition("#")[0].strip() for line in constraints.read_text().splitlines())
    pins = [pin for pin in map(Requirement, filter(None, lines)) if applies(pin)]
    chosen = folder / "constraints.txt"
    chosen.write_text("".join(f"{pin.name}{pin.specifier}\n" for pin in pins))
    subprocess.run(
        [sys.executable, "-m", "pip", "download", "--quiet", "--dest", str(folder), "--constraint", str(chosen),
         "--python-version", PYTHON_VERSION, "--only-binary", ":all:", *requirements],
        check=True,
    )  # fmt: skip


def applies(pin: Requirement) -> bool:
    """Say whether a pin is meant for the image's Python."""
    return pin.marker is None or pin.marker.evaluate({"python_version": PYTHON_VERSION})
