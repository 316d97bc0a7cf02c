"""PUBLISH: the live page."""

from flashmm_dashboards._page import CONTENT_SECURITY_POLICY, LivePage, PageFile, page_files

__all__ = ["CONTENT_SECURITY_POLICY", "LivePage", "PageFile", "page_files"]
