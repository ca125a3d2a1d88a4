#!/bin/sh
# Unhealthy is what a new start mends: no daemon, or one that hangs. It mends no token that has expired or needs a
# login, and an orchestrator would start anew for ever; those are in the line, and in the exit code of
# `token-refresher health`, for monitoring.
line=$(token-refresher health)
echo "$line"
case $line in
  OK* | WARNING* | 'CRITICAL - expired:'*) ;;
  *) exit 1 ;;
esac
# A living daemon renews its lock every few seconds.
if [ -z "$(find "$TOKEN_REFRESHER_ROOT/.token-refresher/" -name 'instance.*.lock' -mmin -2)" ]; then
  echo "the daemon hangs: it has not renewed its lock for two minutes"
  exit 1
fi
