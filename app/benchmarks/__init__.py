"""Programs that measure the trading service and the venue emulator; nothing that is released imports them."""
