"""IMAP (RFC 9051, RFC 3501): a core without I/O, and two ways to carry it out.

lexer       bytes → whole responses, with bounds on all that a server may make us keep
tokens      the pieces of a response, read one by one
fetch       FETCH responses, fast
parser      responses → values
responses   those values
names       mailbox names on the wire
commands    what we say, with how much may come back
protocol    one connection: tags, requests to go on, capabilities
dialogues   what is said to get something done
fetching    the same for headers and messages
refusals    what NO, BAD and BYE stand for
faults      what can go wrong
limits      how long and how much
wire        a blocking socket
session     `ImapSession`, for syncs
"""
