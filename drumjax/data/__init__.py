"""Where songs come from, and how they lie on the device."""
