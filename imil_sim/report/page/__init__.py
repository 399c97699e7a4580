"""A report as bytes and text: one offline HTML page, Markdown, and LaTeX for one table.

Documents in, text out; nothing here knows what a study is. Every text of a document is taken for untrusted.
"""

from imil_sim.report.page.html import render_html, templates
from imil_sim.report.page.markdown import csv_tables, markdown, render_latex, render_markdown

__all__ = ["csv_tables", "markdown", "render_html", "render_latex", "render_markdown", "templates"]
