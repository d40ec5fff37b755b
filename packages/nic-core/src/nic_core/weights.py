def bundled(package): return ()
