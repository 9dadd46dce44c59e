"""What the server is started with: the page's script and the routes beside it."""

from pathlib import Path

from streamlit.starlette import App

from dashboard import server

server.warm()
# Streamlit looks for this very call in the source before it runs it.
app = App(Path(__file__).with_name("main.py"), routes=server.routes(), middleware=server.middleware())
