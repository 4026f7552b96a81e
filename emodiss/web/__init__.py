"""Pages for people to look at: the session report, and pages served on this machine.

What is served stands on four modules. `site` builds the application around routes, fills templates
in (each extends `site.html.jinja`) and answers media and errors; `safety` has codes, tokens, limits
and `form_of`, which reads a form and checks who sent it; `database` keeps what is saved, one
transaction per save; `server` takes an address, starts and stops. Files that pages load stand in
`site.STATIC`. Each needs the extra `web` and is imported where it is used.
"""
