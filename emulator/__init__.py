"""Azure Image Analysis 4.0 on loopback: computed answers, enforced limits, faults to order, and counts of it all."""

from .running import Emulator, EmulatorProcess

__all__ = ["Emulator", "EmulatorProcess"]
