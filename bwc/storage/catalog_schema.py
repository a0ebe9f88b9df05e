"""The catalog's tables: the log's entries (the durable act) and, all derived from them, what we hold."""

VERSION = 1

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

# Derived. Personal columns (officer … names, request, note, name) come from private bodies and are NULL without them.
PROJECTION = """
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
)
