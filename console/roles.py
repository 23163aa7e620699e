"""Which role may see and do what: the one table that every page, action, export and polled address asks.

A row is a thing, "app.thing", and what each role may do with it: words that make the permissions
"app.verb_thing". Most things are models; the others are groups of pages. Members hold their role in one
organization each; ops hold theirs in all of them, and message text is not part of it. A new page takes a row
here and asks `user.has_perm("app.verb_thing", row)` or `tenancy.scope`. In words it is in docs/access.md.
"""

from collections.abc import Mapping

ALL = "view add change delete"

# fmt: off
TABLE: Mapping[str, tuple[str, str, str, str]] = {
    #                               admins         agents         ops                 ops, of no organization
    "organizations.organization":  ("view change", "",            "view add change",  ""),
    "organizations.settings":      ("change",      "",            "",                 ""),
    "organizations.standing":      ("",            "",            "change",           ""),
    "organizations.translation":   (ALL,           "",            "view",             ""),
    "organizations.member":        ("view change delete", "",     "view",             ""),
    "organizations.invitation":    ("view add delete", "",        "view",             ""),
    "organizations.firstadmin":    ("",            "",            "add",              ""),
    "organizations.user":          ("",            "",            "view add change",  ""),
    "channels.channel":            (ALL,           "",            "view",             ""),
    "prompts.promptversion":       ("view change", "view",        "",                 ""),
    "prompts.cannedprompt":        ("view add",    "view add",    "",                 ""),
    "conversations.conversation":  ("view change", "view change", "",                 ""),
    "conversations.deadletter":    ("view change", "view change", "",                 "view change"),
    "conversations.export":        ("view add",    "",            "",                 ""),
    "protection.erasure":          ("view add",    "",            "",                 ""),
    "protection.purge":            ("view",        "",            "view",             ""),
    "protection.retirement":       ("view add",    "",            "view add",         ""),
    "inbox.label":                 (ALL,           "view",        "",                 ""),
    "workshop.rehearsal":          ("view add",    "view add",    "",                 ""),
    "workshop.case":               (ALL,           "view add",    "",                 ""),
    "workshop.caserun":            ("view add",    "view",        "",                 ""),
    "audit.change":                ("view",        "",            "",                 "view"),
    "proof.numbers":               ("view",        "view",        "view",             ""),
    "operations.health":           ("",            "",            "view",             ""),
    "capacity.run":                ("",            "",            "view add",         ""),
    "deployments.deploy":          ("",            "",            "view add change",  ""),
}
# fmt: on


def _column(number: int) -> frozenset[str]:
    return frozenset(
        f"{app}.{verb}_{name}"
        for thing, verbs in TABLE.items()
        for app, name in [thing.split(".")]
        for verb in verbs[number].split()
    )


MEMBER_PERMISSIONS: Mapping[str, frozenset[str]] = {"admin": _column(0), "agent": _column(1)}
OPS_PERMISSIONS = _column(2)
PLATFORM_PERMISSIONS = _column(3)
"""Of ops, for rows that name no organization: nobody's but the platform's."""
