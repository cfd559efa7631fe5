"""The laboratory in the browser: pages on the user's own machine that read study folders, also while they are written.

It reads files without torch; what computes with torch is asked of a warm worker process. `passo ui` starts it.
"""

from passo.web.app import create_app
from passo.web.laboratory import Laboratory

__all__ = ["Laboratory", "create_app"]
