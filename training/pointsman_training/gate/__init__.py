"""Whether a bundle may take another's place, and whether routing is worth anything: answers with their evidence."""
