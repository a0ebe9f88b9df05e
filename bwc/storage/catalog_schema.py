"""The catalog's tables: the log's entries (the durable act) and, all derived from them, what we hold."""

import re

VERSION = 5

# Kept: an entry is never changed, and gone only with the whole table when the catalog is rebuilt from the log's files.
EVENTS = """
CREATE TABLE events (
    seq INTEGER PRIMARY KEY,
    leaf_hash BLOB NOT NULL,
    entry BLOB NOT NULL,
    item TEXT,
    item_seq INTEGER
) STRICT;
CREATE UNIQUE INDEX events_of_item ON events (item, item_seq) WHERE item IS NOT NULL;
CREATE TRIGGER events_unchanged BEFORE UPDATE ON events BEGIN SELECT RAISE(ABORT, 'entries are written once'); END;
CREATE TRIGGER events_undeleted BEFORE DELETE ON events BEGIN SELECT RAISE(ABORT, 'entries are never deleted'); END;
"""

# Kept: sealed private bodies of events that are not published yet; on their shelf before the checkpoint is signed.
WAITING = """
CREATE TABLE IF NOT EXISTS waiting_bodies (file TEXT PRIMARY KEY, data BLOB NOT NULL) STRICT, WITHOUT ROWID;
"""

# Derived. Personal columns (officer … names, request, note, name) come from private bodies and are NULL without them.
_WHAT_WE_HOLD = """
CREATE TABLE vault (
    seq INTEGER PRIMARY KEY, agency TEXT NOT NULL, log TEXT NOT NULL, vkey TEXT NOT NULL, at TEXT NOT NULL
) STRICT;
CREATE TABLE bodies (body TEXT PRIMARY KEY, file TEXT NOT NULL, seq INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE replaced (envelope TEXT PRIMARY KEY) STRICT, WITHOUT ROWID;
CREATE TABLE items (
    item TEXT PRIMARY KEY,
    officer TEXT COLLATE NOCASE,
    camera TEXT COLLATE NOCASE,
    category TEXT COLLATE NOCASE,
    case_ids TEXT,
    recorded_at TEXT,
    clock_offset_ms INTEGER,
    vendor TEXT,
    source TEXT,
    names TEXT,
    ingested_at TEXT NOT NULL,
    ingested_by TEXT NOT NULL,
    segments INTEGER NOT NULL,
    bytes INTEGER NOT NULL,
    gaps INTEGER NOT NULL,
    state INTEGER NOT NULL,
    seq INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX items_by_age ON items (seq);
CREATE INDEX items_of_officer ON items (officer);
CREATE INDEX items_of_camera ON items (camera);
CREATE TABLE cases (
    case_id TEXT NOT NULL COLLATE NOCASE, item TEXT NOT NULL, PRIMARY KEY (case_id, item)
) STRICT, WITHOUT ROWID;
CREATE INDEX cases_of_item ON cases (item);
CREATE TABLE segments (
    item TEXT NOT NULL,
    role TEXT NOT NULL,
    segment INTEGER NOT NULL,
    object TEXT NOT NULL,
    name TEXT,
    sha256 TEXT,
    bytes INTEGER,
    state INTEGER NOT NULL,
    readable INTEGER,
    media TEXT NOT NULL,
    PRIMARY KEY (item, role, segment, object)
) STRICT, WITHOUT ROWID;
CREATE INDEX segments_by_content ON segments (sha256);
CREATE INDEX segments_by_size ON segments (bytes);
CREATE TABLE objects (
    object TEXT PRIMARY KEY,
    item TEXT,
    role TEXT NOT NULL,
    segment INTEGER NOT NULL,
    sealed_bytes INTEGER NOT NULL,
    content TEXT NOT NULL,
    manifest TEXT NOT NULL,
    envelope TEXT NOT NULL,
    sha256 TEXT,
    seq INTEGER NOT NULL,
    place INTEGER NOT NULL,
    at TEXT NOT NULL,
    actor TEXT NOT NULL,
    facts TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX objects_of_item ON objects (item, seq, place);
CREATE INDEX objects_by_digest ON objects (sha256) WHERE sha256 IS NOT NULL;
CREATE TABLE approvals (
    seq INTEGER PRIMARY KEY,
    item TEXT NOT NULL,
    segment INTEGER NOT NULL,
    plan_sha256 TEXT NOT NULL,
    copy_sha256 TEXT NOT NULL,
    report_sha256 TEXT NOT NULL,
    actor TEXT NOT NULL,
    at TEXT NOT NULL,
    note TEXT
) STRICT;
CREATE INDEX approvals_of_copy ON approvals (copy_sha256);
CREATE TABLE suspects (
    report_sha256 TEXT NOT NULL,
    suspect TEXT NOT NULL,
    choice TEXT NOT NULL,
    note TEXT,
    actor TEXT NOT NULL,
    at TEXT NOT NULL,
    seq INTEGER NOT NULL,
    PRIMARY KEY (report_sha256, suspect)
) STRICT, WITHOUT ROWID;
CREATE TABLE releases (
    release TEXT PRIMARY KEY,
    item TEXT,
    release_sha256 TEXT NOT NULL,
    copies TEXT NOT NULL,
    approvals TEXT NOT NULL,
    request TEXT,
    requester TEXT,
    to_folder TEXT,
    seq INTEGER NOT NULL,
    at TEXT NOT NULL,
    actor TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX releases_of_item ON releases (item);
CREATE TABLE operators (
    key TEXT PRIMARY KEY,
    alg TEXT NOT NULL,
    public TEXT NOT NULL,
    recipient TEXT NOT NULL,
    roles TEXT NOT NULL,
    replaces TEXT,
    name TEXT,
    seq INTEGER NOT NULL,
    at TEXT NOT NULL,
    revoked INTEGER
) STRICT, WITHOUT ROWID;
CREATE TABLE recipients (
    recipient TEXT PRIMARY KEY, facts TEXT NOT NULL, purpose TEXT NOT NULL, seq INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE policies (seq INTEGER PRIMARY KEY, policy TEXT NOT NULL) STRICT;
"""

# Derived too: what says how long things are kept, and what was destroyed.
RETENTION = """
CREATE TABLE enrolments (seq INTEGER PRIMARY KEY, key TEXT NOT NULL, roles TEXT NOT NULL, name TEXT) STRICT;
CREATE INDEX enrolments_of_key ON enrolments (key);
CREATE TABLE schedules (seq INTEGER PRIMARY KEY, schedule TEXT NOT NULL, at TEXT NOT NULL, actor TEXT NOT NULL) STRICT;
CREATE TABLE claims (
    seq INTEGER PRIMARY KEY,
    item TEXT NOT NULL,
    at TEXT NOT NULL,
    unread INTEGER NOT NULL,
    category TEXT COLLATE NOCASE,
    case_ids TEXT
) STRICT;
CREATE INDEX claims_of_item ON claims (item);
CREATE TABLE case_states (
    seq INTEGER PRIMARY KEY,
    case_id TEXT COLLATE NOCASE,
    open INTEGER NOT NULL,
    note TEXT,
    at TEXT NOT NULL,
    actor TEXT NOT NULL
) STRICT;
CREATE INDEX states_of_case ON case_states (case_id);
CREATE TABLE holds (
    seq INTEGER PRIMARY KEY,
    hold TEXT NOT NULL,
    scope TEXT NOT NULL,
    item TEXT,
    case_id TEXT COLLATE NOCASE,
    reason TEXT,
    at TEXT NOT NULL,
    actor TEXT NOT NULL,
    lifted INTEGER,
    lifted_at TEXT
) STRICT;
CREATE INDEX holds_of_item ON holds (item);
CREATE TABLE orders (
    seq INTEGER PRIMARY KEY,
    disposition TEXT NOT NULL,
    item TEXT NOT NULL,
    scope TEXT NOT NULL,
    facts TEXT NOT NULL,
    reason TEXT,
    at TEXT NOT NULL,
    actor TEXT NOT NULL,
    cancelled INTEGER,
    confirmed INTEGER,
    confirmed_at TEXT,
    confirmed_by TEXT,
    done INTEGER,
    done_at TEXT,
    done_facts TEXT
) STRICT;
CREATE INDEX orders_of_item ON orders (item);
CREATE TABLE destroyed (
    object TEXT PRIMARY KEY,
    item TEXT NOT NULL,
    role TEXT NOT NULL,
    segment INTEGER NOT NULL,
    sealed_bytes INTEGER NOT NULL,
    manifest TEXT NOT NULL,
    envelope TEXT NOT NULL,
    seq INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX destroyed_of_item ON destroyed (item);
CREATE TABLE destroyed_bodies (
    body TEXT PRIMARY KEY, file TEXT NOT NULL, item TEXT NOT NULL, seq INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX destroyed_bodies_of_item ON destroyed_bodies (item);
"""

# Derived too: the further stores, and which objects were copied there under which envelope.
STORES = """
CREATE TABLE stores (
    store TEXT PRIMARY KEY, kind TEXT NOT NULL, lock TEXT NOT NULL, seq INTEGER NOT NULL, at TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE stored (
    store TEXT NOT NULL, object TEXT NOT NULL, envelope TEXT NOT NULL, seq INTEGER NOT NULL, PRIMARY KEY (store, object)
) STRICT, WITHOUT ROWID;
"""

# To bring a catalog up from an earlier version without a key: what only private bodies tell stays unknown until
# `bwc catalog rebuild`, and what is unknown keeps its item.
UPGRADES = {
    1: RETENTION  # noqa: S608
    + """
INSERT INTO enrolments SELECT seq, key, roles, name FROM operators;
INSERT INTO claims SELECT seq, item, json_extract(CAST(entry AS TEXT), '$.event.at'), 1, NULL, NULL FROM events
    WHERE item IS NOT NULL AND instr(entry, CAST('"kind":"item.duplicate"' AS BLOB));
""",
    2: STORES,
    3: WAITING,
    4: "",  # the same tables; but whoever reads plans must know that some are versions for one request (`objects.facts`)
}

PROJECTION = _WHAT_WE_HOLD + RETENTION + STORES

# Whose rows name people or digest footage, and lose that when an item is destroyed
PERSONAL_TABLES = ("items", "cases", "segments", "approvals", "suspects", "releases", "claims", "holds")


def statements_of(table: str) -> list[str]:
    """What makes one table of the projection, and its indexes."""
    made = re.compile(rf"CREATE (TABLE {table} |(UNIQUE )?INDEX \w+ ON {table} )")
    return [one.strip() for one in PROJECTION.split(";") if made.match(one.strip())]


PROJECTION_TABLES = (
    "vault",
    "bodies",
    "replaced",
    "items",
    "cases",
    "segments",
    "objects",
    "approvals",
    "suspects",
    "releases",
    "operators",
    "recipients",
    "policies",
    "enrolments",
    "schedules",
    "claims",
    "case_states",
    "holds",
    "orders",
    "destroyed",
    "destroyed_bodies",
    "stores",
    "stored",
)
