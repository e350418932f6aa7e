"""What the large providers want of whoever signs in, each with the page that says so."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class MailProvider:
    """A provider by the names of its servers, and what to do when it refuses a password or an access token."""

    hosts: tuple[str, ...]
    password: str
    token: str


_PROVIDERS = (
    MailProvider(
        ("imap.gmail.com", "imap.googlemail.com"),
        "Gmail does not take the account's own password: turn on 2-Step Verification and make an app password, or sign "
        "in with OAuth (https://support.google.com/accounts/answer/185833).",
        "Gmail wants tokens of the scope https://mail.google.com/ "
        "(https://developers.google.com/workspace/gmail/imap/xoauth2-protocol).",
    ),
    MailProvider(
        ("outlook.office365.com", "imap-mail.outlook.com"),
        "Microsoft takes no passwords over IMAP: sign in with OAuth "
        "(https://learn.microsoft.com/exchange/clients-and-mobile-in-exchange-online/"
        "deprecation-of-basic-authentication-exchange-online).",
        "Microsoft wants tokens of the scope https://outlook.office.com/IMAP.AccessAsUser.All, and IMAP allowed for "
        "the mailbox (https://learn.microsoft.com/exchange/client-developer/legacy-protocols/"
        "how-to-authenticate-an-imap-pop-smtp-application-by-using-oauth).",
    ),
    MailProvider(
        ("imap.mail.me.com",),
        "iCloud wants an app-specific password (https://support.apple.com/102654), and as user name the part of the "
        "address before the @ (https://support.apple.com/102525).",
        "",
    ),
    MailProvider(
        ("imap.mail.yahoo.com", "imap.aol.com"),
        "Yahoo and AOL want an app password, made under Account security (https://help.yahoo.com/kb/SLN15241.html).",
        "",
    ),
)


def advice_for(host: str, *, oauth: bool) -> str:
    """What to do when this server refuses a sign-in; empty where nothing is known of it."""
    name = host.lower().rstrip(".")
    known = [provider for provider in _PROVIDERS if name in provider.hosts]
    return (known[0].token if oauth else known[0].password) if known else ""
