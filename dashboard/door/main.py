"""The script that Streamlit runs. It lives beside no `pages/` folder: Streamlit would serve such a folder by itself."""

from dashboard.app import main

main()
