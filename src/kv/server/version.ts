/** The etcd that this server behaves like; clients take it apart into numbers. */
export const etcdVersion = '3.4.31';

/** What `GET /version` says. */
export const versionAnswer = { etcdserver: etcdVersion, etcdcluster: '3.4.0', server: 'pgherd' };
