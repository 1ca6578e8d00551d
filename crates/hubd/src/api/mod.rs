//! The REST API: JupyterHub's words, status codes and error bodies.
