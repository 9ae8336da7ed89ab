"""What makes HTML, PDF and EPUB of the book."""

import logging

# It lists the system's fonts once, and says so as if something were wrong.
logging.getLogger("matplotlib.font_manager").setLevel(logging.ERROR)
