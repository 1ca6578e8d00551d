# Carries out the steps of a plan as root. Python 3.8, standard library only.
#
# Input: one line with the length of the header, the header (JSON: lock, environment, steps, sizes of the blobs), the
# blobs. After that the input stays open for as long as the other side is there: it sends a line every few seconds and
# answers questions. Its end ends this run and all it started. Output: one JSON event a line.
import configparser, contextlib, fcntl, glob, grp, hashlib, http.client, io, json, os, pwd, queue, re, shutil, signal
import socket, ssl, stat, subprocess, sys, tarfile, threading, time, urllib.request, zlib

answers = queue.Queue()
children = set()
ending, gone = threading.Event(), threading.Event()  # no command may go on; nobody listens any more
out_lock = threading.Lock()
lock_fd = -1
ENV = {}


class Failed(Exception):
    def __init__(self, message, tail=""):
        super().__init__(message)
        self.tail = tail


def emit(event, **fields):
    with out_lock:
        try:
            sys.stdout.write(json.dumps(dict(event=event, **fields)) + "\n")
            sys.stdout.flush()
        except OSError:
            give_up("the output was closed")


def detail(message):
    emit("detail", message=message[:300])
