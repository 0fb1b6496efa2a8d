#!/usr/bin/python3
"""Starts a node: looks up where this container is reached, tells Patroni, and becomes Patroni.

The cell's agent publishes the container's ports in etcd under the documented keys

    /<image>/<hostname>:<container>:<port>  =  host:port

and the container reads its own there. It advertises what it has read and nothing else: without the keys it waits, and
gives up after a limit, saying for which key it waited and why it did not get it.

Environment:
    PGHERD_IMAGE, PGHERD_HOSTNAME, PGHERD_CONTAINER   the parts of the keys
    PGHERD_ROOT              what stands before all keys; default nothing
    PGHERD_PUBLISHED         "5432=20001 8008=20002": the host ports of this very container. A key that names another port
                             is left over from an earlier container of the node, and is not believed.
    PGHERD_LOOKUP_SECONDS    the limit; default 60
    PGHERD_CONFIG            Patroni's configuration, which also says how etcd is reached

Exit codes: 3 no binding within the limit, 4 the configuration cannot be used, 5 the data are of another major version.
"""
import base64
import json
import os
import signal
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request

PATRONI = '/usr/bin/patroni'
ANSWER_SECONDS = 3
POLL_SECONDS = 0.2


class Etcd:
    """Reads keys through etcd's JSON gateway, the way Patroni does."""

    def __init__(self, section):
        self.hosts = section['hosts']
        self.protocol = section.get('protocol', 'http')
        self.account = {'name': section['username'], 'password': section['password']} if 'username' in section else None
        self.token = None
        self.context = None
        if self.protocol == 'https':
            self.context = ssl.create_default_context(cafile=section.get('cacert'))
            if 'cert' in section:
                self.context.load_cert_chain(section['cert'], section.get('key'))

    def get(self, key):
        """The value of a key, None when there is no such key. Raises when no member answers."""
        problems = []
        for host in self.hosts:
            try:
                if self.account and not self.token:
                    self.token = self._post(host, 'auth/authenticate', self.account)['token']
                kvs = self._post(host, 'kv/range', {'key': base64.b64encode(key.encode()).decode()}).get('kvs')
                return base64.b64decode(kvs[0]['value']).decode() if kvs else None
            except Exception as error:  # Whatever it is, the next member may do better, and the limit ends it.
                self.token = None
                problems.append('%s: %s' % (host, error))
        raise OSError('; '.join(problems))

    def _post(self, host, method, body):
        headers = {'Content-Type': 'application/json'}
        if self.token:
            headers['Authorization'] = self.token
        url = '%s://%s/v3/%s' % (self.protocol, host, method)
        request = urllib.request.Request(url, json.dumps(body).encode(), headers)
        with urllib.request.urlopen(request, timeout=ANSWER_SECONDS, context=self.context) as response:
            return json.load(response)


def look_up(etcd, key, port, deadline, limit):
    """Waits until the key says that this container is reached at this host port, and returns the address."""
    said = None
    while True:
        try:
            value = etcd.get(key)
            if value is None:
                why = 'there is no such key'
            elif port and value.rpartition(':')[2] != port:
                why = 'it says %s, which is not port %s of this container' % (value, port)
            else:
                return value
        except OSError as error:
            why = 'etcd does not answer: %s' % error
        if why != said:
            say('waiting for %s: %s' % (key, why))
            said = why
        if time.monotonic() > deadline:
            give_up(3, 'gave up after %g s waiting for %s: %s' % (limit, key, why))
        time.sleep(POLL_SECONDS)


def check_version(section):
    """Refuses data of another major version, which this PostgreSQL would only fail to start on again and again."""
    try:
        with open(os.path.join(section['data_dir'], 'PG_VERSION'), encoding='ascii') as file:
            data = file.read().strip()
    except OSError:
        return
    program = os.path.join(section['bin_dir'], 'postgres')
    image = subprocess.run([program, '--version'], stdout=subprocess.PIPE, check=True).stdout.decode().split()[2]
    if image.split('.')[0] != data:
        give_up(5, 'the data are of PostgreSQL %s, but this image has %s' % (data, image))


def say(text):
    print('pgherd-node: ' + text, file=sys.stderr, flush=True)


def give_up(code, text):
    say(text)
    sys.exit(code)


def main():
    # The first process of a container gets no signal that it has no handler for.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: sys.exit(0))
    environment = os.environ
    config = environment.get('PGHERD_CONFIG', '/etc/pgherd/patroni.json')
    try:
        with open(config, encoding='utf-8') as file:
            patroni = json.load(file)
        etcd = Etcd(patroni['etcd3'])
        check_version(patroni['postgresql'])
        own = '%s/%s/%s:%s' % (
            environment.get('PGHERD_ROOT', ''),
            environment['PGHERD_IMAGE'],
            environment['PGHERD_HOSTNAME'],
            environment['PGHERD_CONTAINER'],
        )
        limit = float(environment.get('PGHERD_LOOKUP_SECONDS', '60'))
        published = dict(pair.split('=') for pair in environment.get('PGHERD_PUBLISHED', '').split())
    except (OSError, ValueError, LookupError, subprocess.SubprocessError) as error:
        give_up(4, 'cannot start without a usable configuration: %s: %s' % (type(error).__name__, error))
    deadline = time.monotonic() + limit
    postgresql, api = (
        look_up(etcd, '%s:%s' % (own, port), published.get(port), deadline, limit) for port in ('5432', '8008')
    )
    say('reached at %s, Patroni at %s' % (postgresql, api))
    environment['PATRONI_POSTGRESQL_CONNECT_ADDRESS'] = postgresql
    environment['PATRONI_RESTAPI_CONNECT_ADDRESS'] = api
    environment['HOME'] = '/data'
    os.execv(PATRONI, [PATRONI, config])


if __name__ == '__main__':
    main()
