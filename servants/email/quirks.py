"""What mail servers are known for, and what the engine does differently with them.

A server is recognised by what it says of itself (ID, RFC 2971), by its capabilities, or by its host. Most needs no
entry: a mailbox that does not count changes (NOMODSEQ), numbers that go back, counts that do not add up and UIDs that
do not last are met wherever they occur.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Abilities:
    """What may be relied on.

    `qresync`: VANISHED tells what went (RFC 7162 §3.2). `condstore`: flags are counted (§3.1). `status`: equal numbers
    in STATUS mean that nothing changed. `sizes`: RFC822.SIZE is exact, so that it tells messages apart.
    """

    qresync: bool
    condstore: bool
    status: bool = True
    sizes: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Quirk:
    """A kind of server. `names` are parts of what ID says, in small letters; `hosts` are endings of host names."""

    server: str
    fact: str
    source: str
    names: tuple[str, ...] = ()
    capabilities: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()
    qresync: bool = True
    condstore: bool = True
    status: bool = True
    sizes: bool = True

    def fits(self, host: str, capabilities: Collection[str], said: str) -> bool:
        """Whether a server is of this kind."""
        return (
            any(name in said for name in self.names)
            or any(capability in capabilities for capability in self.capabilities)
            or any(host == ending or host.endswith(f".{ending}") for ending in self.hosts)
        )


QUIRKS = (
    Quirk(
        server="iCloud",
        fact="offers QRESYNC, confirms no ENABLE and sends VANISHED that cannot be read: what went is found by SEARCH",
        source="https://github.com/Foundry376/Mailspring-Sync/pull/91",
        capabilities=("X-SUN-IMAP",),
        hosts=("mail.me.com", "mail.icloud.com"),
        qresync=False,
    ),
    Quirk(
        server="Gmail",
        fact="has CONDSTORE without QRESYNC; a message lies in one mailbox for each of its labels and in \\All, and is "
        "fetched once, for its identity is the same in all of them",
        source="https://developers.google.com/gmail/imap/imap-extensions",
        names=("gimap",),
        capabilities=("X-GM-EXT-1",),
        qresync=False,
    ),
    Quirk(
        server="Exchange",
        fact="RFC822.SIZE is the stored size unless the exact one is known, and may change: identities leave it out; "
        "has neither CONDSTORE nor QRESYNC",
        source="https://learn.microsoft.com/openspecs/exchange_standards/ms-stanoimap (2.2.25)",
        names=("microsoft.exchange",),
        hosts=("outlook.com", "office365.com"),
        sizes=False,
    ),
    Quirk(
        server="Yahoo",
        fact="answers SELECT with HIGHESTMODSEQ though it has no CONDSTORE: it is followed by its flags",
        source="https://github.com/whiteout-io/imap-client/pull/40",
        capabilities=("XYMHIGHESTMODSEQ",),
        qresync=False,
        condstore=False,
    ),
    Quirk(
        server="SmarterMail",
        fact="offers CONDSTORE, but FETCH tells no MODSEQ and HIGHESTMODSEQ is a clock: it is followed by its flags",
        source="https://github.com/closeio/sync-engine/pull/504",
        names=("smartermail",),
        qresync=False,
        condstore=False,
    ),
    Quirk(
        server="Courier",
        fact="counts no changes: it is followed by its flags",
        source="https://www.courier-mta.org/imap/",
        names=("courier",),
        capabilities=("XCOURIEROUTBOX",),
        qresync=False,
        condstore=False,
    ),
    Quirk(
        server="Purelymail",
        fact="says HIGHESTMODSEQ 0 of an empty mailbox, which stands for none: such a mailbox is followed by its flags",
        source="https://github.com/Purelymail/purelymail-issues/issues/446",
        names=("purelymail",),
        hosts=("purelymail.com",),
    ),
    Quirk(
        server="Hostinger",
        fact="HIGHESTMODSEQ may stand still while messages arrive: where the counts moved, all UIDs are listed",
        source="https://github.com/warmbly/warmbly/pull/95",
        hosts=("hostinger.com", "titan.email"),
    ),
    Quirk(
        server="Proton Mail Bridge",
        fact="gives new UIDVALIDITY when its database is made anew: messages are recognised by their headers",
        source="https://github.com/ProtonMail/proton-bridge/issues/220",
        names=("proton",),
    ),
    Quirk(
        server="Dovecot",
        fact="does all of it; an index that is kept in memory says NOMODSEQ, and is followed by its flags",
        source="https://doc.dovecot.org/2.3/admin_manual/mailbox_formats/",
        names=("dovecot",),
    ),
    Quirk(
        server="Cyrus",
        fact="does all of it; a mailbox without the annotation condstore says NOMODSEQ before 2.4, and is followed by "
        "its flags",
        source="https://www.cyrusimap.org/imap/rfc-support.html",
        names=("cyrus",),
    ),
)


def known_quirks(host: str, capabilities: Collection[str], server_id: Mapping[str, str]) -> list[Quirk]:
    """The entries of the table that a server fits."""
    said = " ".join(server_id.values()).lower()
    return [quirk for quirk in QUIRKS if quirk.fits(host.lower(), capabilities, said)]


def abilities_of(host: str, capabilities: Collection[str], server_id: Mapping[str, str]) -> Abilities:
    """What may be relied on with this server."""
    quirks = known_quirks(host, capabilities, server_id)
    qresync = "QRESYNC" in capabilities and all(quirk.qresync for quirk in quirks)
    # QRESYNC includes CONDSTORE, whether or not a server says so (RFC 7162 §3.2.3).
    counts = "CONDSTORE" in capabilities or "QRESYNC" in capabilities
    return Abilities(
        qresync=qresync,
        condstore=counts and all(quirk.condstore for quirk in quirks),
        status=all(quirk.status for quirk in quirks),
        sizes=all(quirk.sizes for quirk in quirks),
    )
