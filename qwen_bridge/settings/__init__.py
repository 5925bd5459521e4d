"""Settings: one frozen value, checked at the start, read from a TOML file, the environment or mitmproxy's options.

`settings` has the table of all of them, from which the options, the variables and `docs/settings.md` come. The forms
that values may have stand beside it: `values` for lines, secrets and spans, `access` for client keys and profiles,
`egress` for the way out through another proxy.

Rule: what cannot be used raises at the start, with a sentence that names the setting, says what would do, and never
repeats a secret. It knows nothing of what the settings are for.
"""
