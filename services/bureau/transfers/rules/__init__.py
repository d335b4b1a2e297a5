"""Pure decisions of the transfer: no session, no clock, no I/O."""
