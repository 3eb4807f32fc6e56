"""The commands of people that every process obeys: hold, pause, stop all writes, resend."""
