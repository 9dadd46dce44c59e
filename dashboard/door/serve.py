"""What the server is started with: the page's script and the routes beside it."""

from pathlib import Path

from streamlit.starlette import App

from dashboard import app as pages  # the first reader should not wait for imports
from dashboard import server

# Streamlit looks for this very call in the source before it runs it.
app = App(Path(pages.__file__).parent / "door" / "main.py", routes=server.routes(), middleware=server.middleware())
