"""Sign-in with a password over SOAP, as older clients do: `login` and `logout` of the partner API."""

from __future__ import annotations

from flask import Blueprint, Response, request
from lxml import etree  # type: ignore[import-untyped]  # lxml ships no types
from werkzeug.exceptions import BadRequest

from infra.local.salesforce.identity import Identity, InvalidSession, OAuthError, Session

_ENVELOPE = "http://schemas.xmlsoap.org/soap/envelope/"
_PARTNER = "urn:partner.soap.sforce.com"
_FAULT = "urn:fault.partner.soap.sforce.com"

_REFUSAL = "Invalid username, password, security token; or user locked out."


def blueprint(identity: Identity) -> Blueprint:
    """`POST /services/Soap/u/<version>`."""
    pages = Blueprint("soap_login", __name__)

    @pages.post("/services/Soap/u/<path:place>")
    def call(place: str) -> Response:
        version = place.partition("/")[0]
        envelope = _parsed(request.get_data())
        if envelope.find(f".//{{{_PARTNER}}}login") is not None:
            return _login(identity, envelope, version=version)
        if envelope.find(f".//{{{_PARTNER}}}logout") is not None:
            return _logout(identity, envelope)
        return _fault("INVALID_OPERATION", "only login and logout are served here")

    return pages


def _parsed(body: bytes) -> etree._Element:
    parser = etree.XMLParser(resolve_entities=False, no_network=True)
    try:
        return etree.fromstring(body, parser)
    except etree.XMLSyntaxError as error:
        raise BadRequest(str(error)) from None


def _text(envelope: etree._Element, name: str) -> str:
    return envelope.findtext(f".//{{{_PARTNER}}}{name}") or ""


def _login(identity: Identity, envelope: etree._Element, *, version: str) -> Response:
    try:
        user_id = identity.user_by_password(_text(envelope, "username"), _text(envelope, "password"))
    except OAuthError:
        user_id = None
    if user_id is None:
        return _fault("INVALID_LOGIN", _REFUSAL)
    return _answer("loginResponse", _signed_in(identity, identity.open_session(user_id), version=version))


def _signed_in(identity: Identity, session: Session, *, version: str) -> etree._Element:
    organization = identity.org.organization_id
    server = f"{request.host_url}services/Soap/u/{version}/{organization}"
    result = etree.Element(f"{{{_PARTNER}}}result")
    for name, value in (
        ("metadataServerUrl", server.replace("/Soap/u/", "/Soap/m/")),
        ("passwordExpired", "false"),
        ("sandbox", "true"),
        ("serverUrl", server),
        ("sessionId", session.token),
        ("userId", session.user_id),
    ):
        etree.SubElement(result, f"{{{_PARTNER}}}{name}").text = value
    info = etree.SubElement(result, f"{{{_PARTNER}}}userInfo")
    for name, value in (
        ("organizationId", organization),
        ("sessionSecondsValid", str(int(session.expires_at - session.issued_at))),
        ("userId", session.user_id),
    ):
        etree.SubElement(info, f"{{{_PARTNER}}}{name}").text = value
    return result


def _logout(identity: Identity, envelope: etree._Element) -> Response:
    token = _text(envelope, "sessionId")
    try:
        identity.session(token)
    except InvalidSession:
        return _fault("INVALID_SESSION_ID", "Invalid Session ID found in SessionHeader: Session expired or invalid")
    identity.end_session(token)
    return _answer("logoutResponse", None)


def _answer(name: str, result: etree._Element | None) -> Response:
    # The partner namespace is the default one: clients look for bare names.
    envelope = etree.Element(f"{{{_ENVELOPE}}}Envelope", nsmap={"soapenv": _ENVELOPE, None: _PARTNER})
    response = etree.SubElement(etree.SubElement(envelope, f"{{{_ENVELOPE}}}Body"), f"{{{_PARTNER}}}{name}")
    if result is not None:
        response.append(result)
    return _xml(envelope, status=200)


def _fault(code: str, message: str) -> Response:
    envelope = etree.Element(f"{{{_ENVELOPE}}}Envelope", nsmap={"soapenv": _ENVELOPE, "sf": _FAULT})
    fault = etree.SubElement(etree.SubElement(envelope, f"{{{_ENVELOPE}}}Body"), f"{{{_ENVELOPE}}}Fault")
    etree.SubElement(fault, "faultcode").text = code
    etree.SubElement(fault, "faultstring").text = f"{code}: {message}"
    named = etree.SubElement(etree.SubElement(fault, "detail"), f"{{{_FAULT}}}LoginFault")
    etree.SubElement(named, f"{{{_FAULT}}}exceptionCode").text = code
    etree.SubElement(named, f"{{{_FAULT}}}exceptionMessage").text = message
    return _xml(envelope, status=500)


def _xml(envelope: etree._Element, *, status: int) -> Response:
    body = etree.tostring(envelope, xml_declaration=True, encoding="UTF-8")
    return Response(body, status, content_type="text/xml;charset=UTF-8")
