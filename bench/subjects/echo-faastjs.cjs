// The functions that faast.js bundles for its workers.
exports.echo = async (value) => value;
