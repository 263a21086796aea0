"""The tape at native speed: trace, passes, plan, native code, call. README.md tells the way."""
