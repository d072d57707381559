"""What a session has to say, told through Discord or a plain webhook without ever holding the session up."""
