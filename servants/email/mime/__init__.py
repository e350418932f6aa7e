"""A mail message as values, whatever bytes it is made of (RFC 5322, RFC 2045 to 2049).

message      `parse_message`: a message's file in, a `ParsedMessage` out
identity     what tells whether two placements hold the same message
source       the file, read through a window
structure    the tree of parts, as slices of the file
fields       the header fields of a part
parameters   Content-Type, Content-Disposition and their parameters (RFC 2231)
words        encoded words (RFC 2047) and raw 8-bit headers (RFC 6532)
charsets     bytes into text, by the charset they name or by the one they have
transfer     base64, quoted-printable and uuencode, piece by piece
texts        which parts are the message's text
html         HTML into text
addresses    who a message names
dates        when it was sent
message_ids  which message it is and which it answers
notes        what was wrong
"""

from servants.email.mime.identity import identity
from servants.email.mime.message import parse_message

__all__ = ["identity", "parse_message"]
