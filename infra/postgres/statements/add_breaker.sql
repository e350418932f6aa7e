INSERT INTO breakers (scope) VALUES (%(scope)s) ON CONFLICT (scope) DO NOTHING
