"""WebSocket frames with a bound: how many of any kind, and how many parts a message may have."""

import logging
from collections.abc import Callable

from websockets.exceptions import ProtocolError
from websockets.frames import CloseCode, Frame, Opcode
from websockets.server import ServerProtocol

from flashmm_streaming import EndpointLimits
from flashmm_streaming.server import RateMeter


class MeteredFrames(ServerProtocol):
    """websockets' protocol, with as many frames as a client may send.

    uvicorn hears of frames a read at a time, when thousands of pings have been answered already.
    """

    def __init__(self, limits: EndpointLimits, clock: Callable[[], float]) -> None:
        super().__init__(max_size=limits.message_bytes, logger=logging.getLogger("uvicorn.error"))
        self._limits = limits
        self._clock = clock
        self._meter = RateMeter(limits.frames_per_s, limits.frames_burst, clock())
        self._fragments = 0

    def recv_frame(self, frame: Frame) -> None:
        """Take a frame, or end the connection: 1008 for too many, 1009 for a message in too many parts."""
        if frame.opcode in (Opcode.TEXT, Opcode.BINARY, Opcode.CONT):
            self._fragments = self._fragments + 1 if frame.opcode is Opcode.CONT else 1
        if not self._meter.take(self._clock()):
            self._refuse(CloseCode.POLICY_VIOLATION, "too many frames")
        elif self._fragments > self._limits.fragments:
            self._refuse(CloseCode.MESSAGE_TOO_BIG, "too many fragments")
        else:
            super().recv_frame(frame)

    def _refuse(self, code: CloseCode, reason: str) -> None:
        self.fail(code, reason)
        self.parser_exc = ProtocolError(reason)
