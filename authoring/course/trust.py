"""Jupyter's trust in a notebook that its learner ran survives an update of it.

JupyterLab shows widgets and live output only in notebooks that it signed. An update
adds no outputs, so a notebook that was trusted before may be trusted after it.
"""


def keep_trust(before: dict, after: dict) -> None:
    """Sign what a signed notebook became; without Jupyter or its records, nothing."""
    if not any(cell.get("outputs") for cell in after["cells"]):
        return  # a notebook without outputs needs no trust
    try:
        import nbformat
        from nbformat.sign import NotebookNotary

        notary = NotebookNotary()
        if notary.check_signature(nbformat.from_dict(before)):
            notary.sign(nbformat.from_dict(after))
    except Exception:  # its records are a convenience: the learner can run cells anew
        return
