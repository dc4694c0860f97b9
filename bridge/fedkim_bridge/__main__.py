"""``python -m fedkim_bridge``."""

from .cli import main

raise SystemExit(main())
