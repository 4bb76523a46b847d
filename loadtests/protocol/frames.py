"""WebSocket frames: messages framed once to be sent many times, and messages cut out of what a server sends.

Only whole text and binary messages are read here. All else, such as control frames, fragments and errors, is
left to the Sans-I/O protocol of `websockets`, a whole frame at a time.
"""

from collections.abc import Callable

from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode
from websockets.protocol import State

MAX_MESSAGE_BYTES = 100 * 2**20
_TEXT, _BINARY = 0x80 | Opcode.TEXT, 0x80 | Opcode.BINARY
_DATA = (Opcode.TEXT, Opcode.BINARY, Opcode.CONT)
_OPCODES = frozenset(Opcode)


class TextFrame(bytes):
    """A message as it is sent: framed and masked."""

    __slots__ = ()

    @classmethod
    def of(cls, message: bytes) -> "TextFrame":
        """Frames a message."""
        return cls(Frame(Opcode.TEXT, message).serialize(mask=True))


class MessageReader:
    """Cuts messages out of what comes over an open connection.

    `protocol` gives the state of that connection, made with MAX_MESSAGE_BYTES; few connections need it. It is
    told nothing but whole frames, so that it never waits in the middle of one.
    """

    def __init__(self, protocol: Callable[[], ClientProtocol]) -> None:
        self.messages: list[bytes] = []
        """What came and was not taken yet."""
        self.open = True
        """Whether more may come."""
        self._protocol = protocol
        self._unread = bytearray()
        self._fragments: list[bytes] = []
        self._plain = True
        """Whether the next byte begins a message."""

    def feed(self, data: bytes) -> bool:
        """Reads what was received. True: the protocol was told, and may have an answer."""
        if self._plain and len(data) > 4 and (data[0] == _TEXT or data[0] == _BINARY):
            # Nearly always one message comes, and nothing else.
            length = data[1]
            if length == 126:
                if (data[2] << 8 | data[3]) == len(data) - 4:
                    self.messages.append(data[4:])
                    return False
            elif length == len(data) - 2 and length < 126:
                self.messages.append(data[2:])
                return False
        self._unread += data
        told = False
        while (cut := self._cut()) is not None:
            begin, end = cut
            if begin:
                self.messages.append(bytes(memoryview(self._unread)[begin:end]))
            else:
                self._tell(bytes(memoryview(self._unread)[:end]))
                told = True
            del self._unread[:end]
        self._plain = self.open and not self._unread and not self._fragments
        return told

    def feed_eof(self) -> None:
        """Nothing more can be received."""
        if self._unread:
            self._tell(bytes(self._unread))
            self._unread.clear()
        self._protocol().receive_eof()
        self.open = self._plain = False

    def _cut(self) -> tuple[int, int] | None:
        """Where the message that comes next begins and ends; (0, end): what the protocol has to read.

        None: its end has not come yet.
        """
        unread = self._unread
        size = len(unread)
        if size < 2:
            return (0, size) if size and not self.open else None
        length, begin = unread[1], 2
        if not self.open or length & 0x80 or unread[0] & 0x0F not in _OPCODES:
            return 0, size
        if length > 125:
            begin = 4 if length == 126 else 10
            if size < begin:
                return None
            length = int.from_bytes(unread[2:begin])
        if length > MAX_MESSAGE_BYTES - ((self._protocol().current_size or 0) if self._fragments else 0):
            return 0, size
        end = begin + length
        if size < end:
            return None
        plain = (unread[0] == _TEXT or unread[0] == _BINARY) and not self._fragments
        return (begin if plain else 0), end

    def _tell(self, data: bytes) -> None:
        protocol = self._protocol()
        protocol.receive_data(data)
        for event in protocol.events_received():
            if isinstance(event, Frame) and event.opcode in _DATA:
                self._fragments.append(bytes(event.data))
                if event.fin:
                    self.messages.append(b"".join(self._fragments))
                    self._fragments.clear()
        self.open = protocol.state is State.OPEN
