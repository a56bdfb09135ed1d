"""What of a text may be kept: without what no one sees, without secrets, without personal data. Pure."""

from pointsman.privacy.redaction import redacted
from pointsman.privacy.sanitising import sanitised

__all__ = ["redacted", "sanitised"]
