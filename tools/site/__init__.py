"""The documentation site: what MkDocs does not do by itself.

``python -m mkdocs build --strict`` makes it in ``out/site`` from the pages in ``docs/``, which stay
plain Markdown for whoever reads them where the code is hosted. :mod:`~.hooks` is what MkDocs calls.
"""
