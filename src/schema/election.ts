/** `/pgherd/leader`: the identity of the leading controller, on its lease; its create_revision fences every write. */
export const controllerLeaderKey = '/pgherd/leader';
