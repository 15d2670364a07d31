"""Codes of one system as codes of another: map rules, routes over cross-references and CUIs, and why."""
