"""Serves one WSGI application on loopback, a thread for each request: all the web server that a test's Keystone needs.

    serve-wsgi.py PORT MODULE FACTORY [arguments of the application]
"""
import importlib
import socketserver
import sys
from wsgiref import simple_server


class ThreadedServer(socketserver.ThreadingMixIn, simple_server.WSGIServer):
    daemon_threads = True
    request_queue_size = 128


class QuietHandler(simple_server.WSGIRequestHandler):
    def address_string(self):
        # The default asks a name server for every request.
        return self.client_address[0]

    def log_message(self, *_arguments):
        pass


def main():
    port, module, factory = int(sys.argv[1]), sys.argv[2], sys.argv[3]
    # What is left over is read by the application itself, which looks into sys.argv.
    sys.argv = [module, *sys.argv[4:]]
    application = getattr(importlib.import_module(module), factory)()
    server = simple_server.make_server("127.0.0.1", port, application, ThreadedServer, QuietHandler)
    server.serve_forever()


main()
