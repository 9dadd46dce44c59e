"""The tables. What each holds and why: docs/architecture.md, "The data".

Numbers in BLOBs are little-endian float64 (values, wall times) or int64 (steps).
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def _id() -> Column[int]:
    return Column("id", Integer, primary_key=True)


def _ref(name: str, target: str, *, index: bool = False) -> Column[int]:
    return Column(name, Integer, ForeignKey(target, ondelete="CASCADE"), nullable=False, index=index)


projects = Table("projects", metadata, _id(), Column("name", Text, nullable=False, unique=True))

runs = Table(
    "runs",
    metadata,
    _id(),
    _ref("project_id", "projects.id"),
    Column("name", Text, nullable=False),
    Column("trainer", Text, nullable=False),
    Column("place", Text, nullable=False, unique=True),  # where it lives: tells two runs of one name apart
)

sources = Table(
    "sources",
    metadata,
    _id(),
    _ref("run_id", "runs.id", index=True),
    Column("path", Text, nullable=False, unique=True),
    Column("format", Text, nullable=False),
    Column("trainer", Text, nullable=False),
    Column("head", Text, nullable=False),  # "length:hash" of the file's first bytes
    Column(
        "mark", Text, nullable=False
    ),  # "length:hash" of the bytes before the place; both tell growth from replacement
    Column("size", BigInteger, nullable=False),  # as on disk, when last read
    Column("modified", Float, nullable=False),
    Column("offset", BigInteger, nullable=False),  # the place: bytes (decompressed) that are done with
    Column("memory", Text, nullable=False),  # the reader's, JSON
    Column("provisional", Text),  # how to take back what a torn end gave, JSON
    Column("version", Integer, nullable=False),  # moves with every write: two collectors cannot both win
    Column("records", Integer, nullable=False),
    Column("points", BigInteger, nullable=False),
    Column("rows", Integer, nullable=False),
    Column("first_step", BigInteger),
    Column("last_step", BigInteger),
    Column("unread", Integer, nullable=False),
)

attempts = Table(
    "attempts",
    metadata,
    _id(),
    _ref("run_id", "runs.id", index=True),
    _ref("source_id", "sources.id", index=True),
    Column("number", Integer, nullable=False),  # within the run, from 1
    Column("line", Integer, nullable=False),  # attempts of one line continue or restart each other
    Column("first_step", BigInteger, nullable=False),
    Column("last_step", BigInteger, nullable=False),
    Column("has_row", Boolean, nullable=False),  # before its first training row it supersedes nothing of that step
    Column("ends_at", BigInteger),  # a later attempt of the line has superseded it from this step on
    Column("records", Integer, nullable=False),
    Column("tail_records", Integer, nullable=False),
    UniqueConstraint("run_id", "number"),
)

unread = Table(
    "unread",
    metadata,
    _id(),
    _ref("source_id", "sources.id", index=True),
    Column("line", BigInteger, nullable=False),
    Column("why", Text, nullable=False),
)

metrics = Table(
    "metrics",
    metadata,
    _id(),
    Column("trainer", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("quantity", Text),
    Column("unit", Text),
    Column("caveat", Text),
    Column("scale", Float, nullable=False),  # stored value * scale = canonical unit
    Column("rank", Integer, nullable=False),  # which of two names for one quantity is preferred; 0 first
    Column("evaluation", Boolean, nullable=False),
    UniqueConstraint("trainer", "name"),
)

keysets = Table("keysets", metadata, _id(), Column("digest", Text, nullable=False, unique=True))

keyset_metrics = Table(
    "keyset_metrics",
    metadata,
    Column("keyset_id", Integer, ForeignKey("keysets.id", ondelete="CASCADE"), primary_key=True),
    Column("metric_id", Integer, ForeignKey("metrics.id"), primary_key=True),
    Column("position", Integer, nullable=False),
    Index("ix_keyset_metrics_metric_id", "metric_id"),
)

tail = Table(
    "tail",
    metadata,
    Column("attempt_id", Integer, ForeignKey("attempts.id", ondelete="CASCADE"), primary_key=True),
    Column("seq", Integer, primary_key=True),  # number of the first record within the attempt
    Column("n", Integer, nullable=False),
    Column("keyset_id", Integer, ForeignKey("keysets.id"), nullable=False),
    Column("steps", LargeBinary, nullable=False),
    Column("walls", LargeBinary, nullable=False),
    Column("vals", LargeBinary, nullable=False),  # metric by metric, n values each
)

axes = Table(
    "axes",
    metadata,
    Column("attempt_id", Integer, ForeignKey("attempts.id", ondelete="CASCADE"), primary_key=True),
    Column("seq", Integer, primary_key=True),
    Column("n", Integer, nullable=False),
    Column("steps", LargeBinary, nullable=False),
    Column("walls", LargeBinary, nullable=False),
)

chunks = Table(
    "chunks",
    metadata,
    Column("attempt_id", Integer, ForeignKey("attempts.id", ondelete="CASCADE"), primary_key=True),
    Column("metric_id", Integer, ForeignKey("metrics.id"), primary_key=True),
    Column("seq", Integer, primary_key=True),
    Column("positions", LargeBinary),  # uint16 records of the axis that hold the metric; NULL = all
    Column("vals", LargeBinary, nullable=False),
)

latest = Table(
    "latest",
    metadata,
    Column("run_id", Integer, ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True),
    Column("step", BigInteger, nullable=False),  # of the newest record
    Column("wall", Float),
    Column("metric_ids", LargeBinary, nullable=False),  # int32, ascending
    Column("steps", LargeBinary, nullable=False),
    Column("vals", LargeBinary, nullable=False),
)

config = Table(
    "config",
    metadata,
    Column("run_id", Integer, ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True),
    Column("key", Text, primary_key=True),
    Column("value", Text, nullable=False),  # JSON, secrets redacted
)

settings = Table(
    "settings",
    metadata,
    Column("run_id", Integer, ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True),
    Column("name", Text, primary_key=True),  # canonical: context_limit, entropy_coef …
    Column("value", Text, nullable=False),  # JSON
)

lineage = Table(
    "lineage",
    metadata,
    Column("run_id", Integer, ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True),
    _ref("parent_id", "runs.id"),
    Column("why", Text, nullable=False),  # what in the log says so
)

findings = Table(
    "findings",
    metadata,
    _id(),
    _ref("run_id", "runs.id", index=True),
    _ref("source_id", "sources.id"),
    Column("attempt", Integer, nullable=False),
    Column("trouble", Text, nullable=False),
    Column("severity", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("onset_step", BigInteger, nullable=False),
    Column("detected_step", BigInteger, nullable=False),
    Column("resolved_step", BigInteger),
    Column("message", Text, nullable=False),
    Column("evidence", Text, nullable=False),
    Column("clears", Text, nullable=False),
    Column("advice", Text, nullable=False),
    Column("origin", Text, nullable=False),
    UniqueConstraint("source_id", "attempt", "trouble", "detected_step"),
)

judgements = Table(
    "judgements",
    metadata,
    Column("source_id", Integer, ForeignKey("sources.id", ondelete="CASCADE"), primary_key=True),
    Column("attempt_id", Integer, nullable=False),  # judged up to this record
    Column("seq", Integer, nullable=False),
    Column("state", Text, nullable=False),  # of every detector, JSON
    Column("rules", Text, nullable=False),  # fingerprint of detectors and settings: another one starts afresh
)

mirrors = Table(
    "mirrors",
    metadata,
    Column("attempt_id", Integer, ForeignKey("attempts.id", ondelete="CASCADE"), primary_key=True),
    Column("target", Text, primary_key=True),  # MLflow tracking URI
    Column("mlflow_run", Text, nullable=False),
    Column("seq", Integer, nullable=False),  # records before this one are in MLflow
)

facts = Table(  # about the store itself: which tables of names its metrics were understood by
    "facts",
    metadata,
    Column("key", Text, primary_key=True),
    Column("value", Text, nullable=False),
)
